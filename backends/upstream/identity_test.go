package upstream

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ottogate/ottogate/request"
)

// headersSeen answers with the request that an upstream saw for what a caller
// sent.
func headersSeen(t *testing.T, carrier string, tune func(*gateway), sent http.Header) http.Header {
	t.Helper()
	var seen http.Header
	up := upstreamServer(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
	g := through(t, carrier, up.URL)
	if tune != nil {
		tune(g)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", g.URL+"/s/", nil)
	r.Header = sent
	answer, err := g.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return seen
}

func TestIdentityCannotBeForged(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		seen := headersSeen(t, carrier, nil, http.Header{
			"Ottogate-App":  {"admin"},
			"ottogate-app":  {"admin"},
			"Ottogate_App":  {"admin"},
			"OTTOGATE_APP":  {"admin"},
			"Ottogate-Else": {"x"},
			"X_Request_Id":  {"forged"},
			"X-Api-Key":     {"otg_orders_secret"},
			"X_Api_Key":     {"otg_orders_secret"},
			"Authorization": {"Bearer for-the-upstream"},
		})
		for name, values := range seen {
			if isOurs(dashed(name)) && (name != "Ottogate-App" || len(values) != 1 || values[0] != "orders") {
				t.Errorf("%s came as %v", name, values)
			}
			if strings.Contains(strings.Join(values, " "), "secret") || strings.Contains(strings.Join(values, " "), "forged") {
				t.Errorf("%s came as %v", name, values)
			}
		}
		if seen.Get("Ottogate-App") != "orders" || seen.Get("Authorization") != "Bearer for-the-upstream" {
			t.Errorf("upstream saw %v", seen)
		}
	})
}

func TestConnectionCannotTakeOursAway(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		seen := headersSeen(t, carrier, nil, http.Header{
			"Connection":          {"close, Ottogate-App, X-Request-Id", "X-Forwarded-For, via, X-Hop"},
			"X-Hop":               {"gone"},
			"X-Stays":             {"here"},
			"Keep-Alive":          {"timeout=5"},
			"Proxy-Authorization": {"secret"},
			"Via":                 {"1.0 fred"},
		})
		if seen.Get("X-Hop") != "" || seen.Get("Keep-Alive") != "" || seen.Get("Proxy-Authorization") != "" {
			t.Errorf("hop-by-hop fields passed: %v", seen)
		}
		if seen.Get("X-Stays") != "here" || seen.Get("Ottogate-App") != "orders" || seen.Get("X-Request-Id") != "r-1" ||
			seen.Get("X-Forwarded-For") != "127.0.0.1" || seen.Get("Via") != "1.0 fred, 1.1 gate" {
			t.Errorf("upstream saw %v", seen)
		}
	})
}

func TestForeignUpgradesAreOrdinaryRequests(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		seen := headersSeen(t, carrier, nil, http.Header{
			"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}, "Http2-Settings": {"AAMAAABkAAQAoAAAAAIAAAAA"},
		})
		if seen.Get("Upgrade") != "" || seen.Get("Http2-Settings") != "" || strings.Contains(strings.ToLower(seen.Get("Connection")), "upgrade") {
			t.Errorf("upstream saw %v", seen)
		}
	})
}

func TestOriginIsTold(t *testing.T) {
	spoofed := func() http.Header {
		return http.Header{"X-Forwarded-For": {"6.6.6.6"}, "X-Forwarded-Proto": {"https"}, "Forwarded": {"for=6.6.6.6"}, "X-Real-Ip": {"6.6.6.6"}, "X-Forwarded-Prefix": {"/x"}}
	}
	bothCarriers(t, func(t *testing.T, carrier string) {
		seen := headersSeen(t, carrier, nil, spoofed())
		if seen.Get("X-Forwarded-For") != "127.0.0.1" || seen.Get("X-Forwarded-Proto") != "http" || seen.Get("X-Real-Ip") != "" || seen.Get("X-Forwarded-Prefix") != "" ||
			!strings.HasPrefix(seen.Get("Forwarded"), `for=127.0.0.1;proto=http;host="127.0.0.1:`) {
			t.Errorf("a stranger was believed: %v", seen)
		}
		trusting := func(g *gateway) { g.pool.trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
		seen = headersSeen(t, carrier, trusting, spoofed())
		if seen.Get("X-Forwarded-For") != "6.6.6.6, 127.0.0.1" || seen.Get("X-Forwarded-Proto") != "https" || !strings.HasPrefix(seen.Get("Forwarded"), "for=6.6.6.6, for=127.0.0.1;") {
			t.Errorf("a trusted proxy was not believed: %v", seen)
		}
	})
}

func TestCorrelationAndDeadlineAreTold(t *testing.T) {
	bothCarriers(t, func(t *testing.T, carrier string) {
		tune := func(g *gateway) {
			g.timeout = time.Minute
			g.info.Traceparent, g.info.Tracestate, g.info.Baggage = "00-1-2-01", "a=b", "k=v"
		}
		seen := headersSeen(t, carrier, tune, http.Header{"Traceparent": {"theirs"}, "X-Request-Timeout": {"1h"}, "User-Agent": {""}})
		if seen.Get("Traceparent") != "00-1-2-01" || seen.Get("Tracestate") != "a=b" || seen.Get("Baggage") != "k=v" {
			t.Errorf("upstream saw %v", seen)
		}
		left, err := time.ParseDuration(seen.Get("X-Request-Timeout"))
		if err != nil || left > time.Minute || left < 50*time.Second {
			t.Errorf("time left came as %q", seen.Get("X-Request-Timeout"))
		}
		if seen["User-Agent"] != nil {
			t.Errorf("a user agent was added: %v", seen["User-Agent"])
		}
	})
}

func FuzzOutgoingHead(f *testing.F) {
	f.Add("/a?b", "X-A", "v", "Upgrade, x-a")
	f.Fuzz(func(t *testing.T, path, name, value, connection string) {
		r, err := http.NewRequest("GET", "http://h/", nil)
		if err != nil || !isToken(name) || !isValue(value) || !isValue(connection) || !strings.HasPrefix(path, "/") || !isTarget(path) {
			return
		}
		r.Header = http.Header{http.CanonicalHeaderKey(name): {value}, "Connection": {connection}}
		p := &passage{pool: &Pool{pseudonym: "gate"}, r: r, info: &request.Info{App: "orders"}, path: path, endpoint: &endpoint{address: "a:1"}}
		out := string((&exchange{passage: p}).appendHead(nil))
		if strings.Count(out, "\r\n\r\n") != 1 || !strings.HasSuffix(out, "\r\n\r\n") || strings.Count(out, "\nOttogate-App: orders\r\n") != 1 {
			t.Errorf("head came as %q", out)
		}
	})
}
