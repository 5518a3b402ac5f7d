// Package access says who may do what: apps, the keys that prove them, their
// allow rules and their limits, all as data. It knows neither the web
// framework nor any backend, so that `ottogate check` decides as the gateway
// does.
package access

import "time"

// Action is what a request wants to do, in the words of the allow rules. The
// set is closed; every route maps to exactly one.
type Action string

// The actions.
const (
	StateRead       Action = "state.read"
	StateWrite      Action = "state.write"
	Publish         Action = "publish"
	Subscribe       Action = "subscribe"
	ConfigRead      Action = "config.read"
	ConfigWrite     Action = "config.write"
	Lock            Action = "lock"
	LockForce       Action = "lock.force"
	Sequence        Action = "sequence"
	Invoke          Action = "invoke"
	ServiceRead     Action = "service.read"
	ServiceRegister Action = "service.register"
)

// actions gives every action with the form of its resources.
var actions = [...]struct {
	name Action
	form string
	// slashes that a resource has at least; a pattern without `**` that has
	// fewer can never match.
	slashes int
}{
	{StateRead, "<component>/<key>", 1},
	{StateWrite, "<component>/<key>", 1},
	{Publish, "<pubsub>/<topic>", 1},
	{Subscribe, "<pubsub>/<topic>", 1},
	{ConfigRead, "<store>/<app>/<group>", 2},
	{ConfigWrite, "<store>/<app>/<group>", 2},
	{Lock, "<component>/<resource>", 1},
	{LockForce, "<component>/<resource>", 1},
	{Sequence, "<component>/<key>", 1},
	{Invoke, "<service>[/path]", 0},
	{ServiceRead, "<service>", 0},
	{ServiceRegister, "<service>", 0},
}

// Actions lists the whole set.
func Actions() []Action {
	list := make([]Action, len(actions))
	for i := range actions {
		list[i] = actions[i].name
	}
	return list
}

// Apps are the callers that the configuration knows, by name.
type Apps map[string]App

// App is one caller: what proves it, what it may do, how much.
type App struct {
	Keys   []Key
	Allow  []Rule
	Limits Limits
	Weight int // share under overload; 0 counts as 1
}

// Key is one API key of an app. Only its digest is known.
type Key struct {
	Hash     [32]byte  // SHA-256 of the key's text
	NotAfter time.Time // the zero time = does not expire
}

// Limits bound what one app may use. A zero field is no limit.
type Limits struct {
	Requests    Rate
	Concurrency int   // requests in flight per replica
	Body        int64 // bytes of one request's body
}
