package redis

import (
	"context"
	"crypto/sha1" // #nosec G505 -- Redis names scripts by SHA-1
	"encoding/hex"
	"strings"

	"github.com/redis/go-redis/v9"
)

// luaDigits holds the comparison of natural numbers that stay text, because
// Lua's numbers are exact up to 2^53 only.
const luaDigits = `
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end`

// script is a Lua script that Redis runs as one step. Redis forgets scripts
// when it restarts, so one that it does not know is sent again in full.
type script struct{ source, sha string }

// newScript joins fragments into one script.
func newScript(fragments ...string) script {
	source := strings.Join(fragments, "\n")
	sum := sha1.Sum([]byte(source)) // #nosec G401 -- a name, not a proof
	return script{source: source, sha: hex.EncodeToString(sum[:])}
}

// run executes the script in one round trip, or two when Redis has forgotten
// it. The result is what the script returned; errors are mapped.
func (s script) run(ctx context.Context, to sender, kind effect, keys []string, args ...any) (any, error) {
	command := s.command(ctx, "evalsha", s.sha, keys, args)
	if err := to.do(ctx, kind, command); err != nil {
		return nil, err
	}
	if redis.HasErrorPrefix(command.Err(), "NOSCRIPT") { // so it has not run
		command = s.command(ctx, "eval", s.source, keys, args)
		if err := to.do(ctx, kind, command); err != nil {
			return nil, err
		}
	}
	result, err := command.Result()
	return result, mapError(ctx, err, kind)
}

func (s script) command(ctx context.Context, verb, body string, keys []string, args []any) *write {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, verb, body, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	return newWrite(ctx, append(all, args...)...)
}
