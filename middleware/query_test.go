package middleware

import (
	"net/http"
	"testing"

	"github.com/ottogate/ottogate/problem"
)

func TestAQueryThatCannotBeReadIsRefused(t *testing.T) {
	engine, reached := limited(LimitsConfig{})
	for query, want := range map[string]problem.Code{
		"ttl=5%": problem.InvalidParameter, "ttl=5s;x=1": problem.InvalidParameter, "%zz=1": problem.InvalidParameter, ";": problem.InvalidParameter,
		"ttl=5s&ttl=6s": problem.InvalidParameter, "ttl=5s&ttl=5s": problem.InvalidParameter, "ttl&t%74l": problem.InvalidParameter,
		"": "", "ttl=5s&": "", "ttl=5%25&x=1": "", "ttl": "", "prefix=a+b%3B": "",
	} {
		*reached = false
		w := do(engine, "POST", "/v1/thing?"+query, http.NoBody)
		if want != "" {
			wantProblem(t, w, want)
		}
		if *reached != (want == "") {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
	}
}

func TestAQueryThatIsNotOursPasses(t *testing.T) {
	engine, reached := limited(LimitsConfig{})
	if w := do(engine, "POST", "/v1/invoke/a/b?x=5%&x=6;7", http.NoBody); !*reached {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantProblem(t, do(engine, "POST", "/nowhere?x=5%", http.NoBody), problem.NoSuchRoute)
}
