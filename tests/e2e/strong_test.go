package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/ottogate/ottogate/tests/servers"
)

// Consistency: a strong write waits for the replica; with the replica gone it
// says that its outcome is unknown, and an eventual one goes on.
func TestStrongWrites(t *testing.T) {
	master := servers.NewRedis(t)
	host, port, _ := strings.Cut(master.Addr, ":")
	replica := servers.NewRedis(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	r := start(t, settings{redis: master.Addr})
	began := time.Now()
	for r.do("PUT", "/v1/state/main/strong?consistency=strong", "1").status != 204 {
		if time.Since(began) > 15*time.Second {
			t.Fatal("the replica has not followed for 15 s")
		}
	}
	replica.Stop()
	lost := within(t, 4*time.Second, func() answer { return r.do("PUT", "/v1/state/main/strong?consistency=strong", "2") })
	lost.wantProblem(t, 503, "backend-unavailable")
	if !strings.Contains(lost.body, `"outcome":"unknown"`) || !strings.Contains(lost.body, `"etag":"`) {
		t.Error(lost.body)
	}
	r.do("PUT", "/v1/state/main/strong?consistency=eventual", "3").want(t, 204)
	r.do("PUT", "/v1/state/main/strong?consistency=sometimes", "3").wantProblem(t, 400, "invalid-parameter")
}
