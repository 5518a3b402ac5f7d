package configfile

import "strings"

// notImplemented is the fault of everything in planned.
const notImplemented = "not implemented in this version"

// planned are the keys that the product will have and this version does not
// act on: to accept them would be to pretend. `*` stands for one name;
// `key=value` refuses a value, `key=text*` all that begin so. A key leaves
// this table in the change that makes it work, and gets its field in types.go.
func planned() []string {
	return []string{
		"server.tls.clientCA", "server.tls.clientAuth",
		"log.access=/*", "log.access=./*", "log.audit=/*", "log.audit=./*",
		"tracing",
		"auth.jwt",
		"apps.*.jwt", "apps.*.certs", "apps.*.weight",
		"apps.*.limits.bytes",
		"apps.*.limits.requests.rate", "apps.*.limits.requests.burst",
		"limits.perAddress.rate", "limits.perAddress.burst",
		"limits.rules",
		"connections.*.portal", "connections.*.env", "connections.*.token", "connections.*.operator",
		"config.*.portal", "config.*.env", "config.*.token", "config.*.operator", "config.*.lock",
		"state.*.schemas",
		"sequence.*.segment",
		"pubsub.*.registry", "pubsub.*.callbacks", "pubsub.*.topics",
		"idempotency",
		"invoke.registry", "invoke.routes",
		"invoke.services.*.endpoints.file", "invoke.services.*.endpoints.dns", "invoke.services.*.endpoints.srv",
		"invoke.services.*.endpoints.k8s", "invoke.services.*.endpoints.consul", "invoke.services.*.endpoints.registered",
		"invoke.services.*.balance=ewma", "invoke.services.*.balance=aperture",
		"invoke.services.*.balance=least", "invoke.services.*.balance=hash",
		"invoke.services.*.hash", "invoke.services.*.retries", "invoke.services.*.breaker",
		"invoke.services.*.split", "invoke.services.*.failover", "invoke.services.*.mirror",
		"invoke.services.*.headers", "invoke.services.*.concurrency", "invoke.services.*.hedge",
		"invoke.services.*.fault", "invoke.services.*.cache", "invoke.services.*.fanout", "invoke.services.*.zone",
		"tcpCopy.window", "tcpCopy.every", "tcpCopy.maxDuration",
		"tcpCopy.guard.cpu", "tcpCopy.guard.memory", "tcpCopy.redact.fields",
	}
}

// isPlanned tells whether a path, or path=value, is in the table.
func isPlanned(path string) bool {
	for _, pattern := range planned() {
		if matchesPath(pattern, path) {
			return true
		}
	}
	return false
}

func matchesPath(pattern, path string) bool {
	patternKey, patternValue, _ := strings.Cut(pattern, "=")
	key, value, _ := strings.Cut(path, "=")
	if beginning, open := strings.CutSuffix(patternValue, "*"); open {
		return strings.HasPrefix(value, beginning) && matchesKey(patternKey, key)
	}
	return value == patternValue && matchesKey(patternKey, key)
}

func matchesKey(pattern, key string) bool {
	for {
		wanted, morePattern, patternGoesOn := strings.Cut(pattern, ".")
		segment, moreKey, keyGoesOn := strings.Cut(key, ".")
		if wanted != "*" && wanted != segment || patternGoesOn != keyGoesOn {
			return false
		}
		if !keyGoesOn {
			return true
		}
		pattern, key = morePattern, moreKey
	}
}
