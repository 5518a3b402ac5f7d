package main

import (
	"fmt"
	"net/http"
	"strings"
)

// route is one row of the table. The paths are the gateway's; the naive
// gateway has the same ones, and the bare server answers on all.
type route struct {
	name   string
	method string
	path   string
	body   string
	query  string // of the DELETE that follows a lock's POST
	goals  goals
}

// value has the size that the figures are about.
var value = strings.Repeat("x", 256)

var routes = []route{
	{name: "state GET", method: http.MethodGet, path: "/v1/state/main/bench", goals: goals{bare: 0.65, naive: 1.6, micros: 30}},
	{name: "state PUT", method: http.MethodPut, path: "/v1/state/main/bench", body: value, goals: goals{bare: 0.65, naive: 1.6, micros: 30}},
	{name: "publish", method: http.MethodPost, path: "/v1/publish/events/" + topic, body: value, goals: goals{bare: 0.6, cpu: 1.65}},
	{name: "config read", method: http.MethodGet, path: "/v1/config/apollo/application/greeting", goals: goals{bare: 0.9, micros: 15}},
	{name: "lock + unlock", method: http.MethodPost, path: "/v1/lock/main/bench", body: `{"owner":"bench","ttl":"10s"}`, query: "?owner=bench"},
	{name: "sequence", method: http.MethodPost, path: "/v1/sequence/main/bench", body: `{}`},
	{name: "invoke GET", method: http.MethodGet, path: "/v1/invoke/echo/bench", goals: goals{bare: 0.45, naive: 3.5, micros: 30}},
	{name: "invoke POST", method: http.MethodPost, path: "/v1/invoke/echo/bench", body: value, goals: goals{bare: 0.45, naive: 3.5, micros: 30}},
}

// pair tells whether one unit of the route is two requests.
func (r route) pair() bool { return r.query != "" }

func (r route) contentType() string {
	if strings.HasPrefix(r.body, "{") {
		return "application/json"
	}
	return "application/octet-stream"
}

// script is the route in wrk's Lua. A lock's two requests are pipelined on one
// connection, because wrk promises no order between connections; the resource
// changes, so that those that the end of a run cuts in half are never met
// again: run is different for every run.
func (r route) script(run string) string {
	headers := fmt.Sprintf("local headers = { [%q] = %q, [%q] = %q }\n", "X-Api-Key", apiKey, "Content-Type", r.contentType())
	if !r.pair() {
		return headers + fmt.Sprintf("wrk.method = %q\nwrk.headers = headers\nwrk.body = %s\n", r.method, lua(r.body))
	}
	return headers + fmt.Sprintf(`local count = 0
request = function()
  count = count + 1
  local path = %q .. "-%s-" .. (count %% 1024)
  return wrk.format("POST", path, headers, %s) .. wrk.format("DELETE", path .. %q, headers)
end
`, r.path, run, lua(r.body), r.query)
}

// lua is text as a literal of Lua; an empty one is no body at all.
func lua(text string) string {
	if text == "" {
		return "nil"
	}
	return fmt.Sprintf("%q", text)
}
