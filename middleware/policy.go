package middleware

import (
	"context"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/problem"
)

// Policy lets a request through if the calling app may do what of says the
// request wants. Each denial is a line in audit, nil for no log. The answer
// says nothing about the thing itself, so that it is the same whether or not
// it exists.
func Policy(policy *access.Policy, audit *slog.Logger, of func(*gin.Context) (access.Request, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		wanted, err := of(c)
		if err != nil {
			fail(c, err)
			return
		}
		app := exchangeOf(c).info.App
		if decision := policy.Decide(app, wanted); !decision.Allowed {
			auditDenial(c, audit, wanted, decision)
			fail(c, problem.New(problem.Forbidden, "no rule of app %s allows %s here", app, wanted.Action))
			return
		}
		c.Next()
	}
}

func auditDenial(c *gin.Context, audit *slog.Logger, wanted access.Request, decision access.Decision) {
	if audit == nil {
		return
	}
	info := exchangeOf(c).info
	line := slog.NewRecord(time.Now(), slog.LevelInfo, "audit", 0)
	line.AddAttrs(
		slog.String("app", info.App),
		slog.String("via", info.Via),
		slog.String("action", string(wanted.Action)),
		slog.String("resource", wanted.Resource),
		slog.String("outcome", "denied"),
		slog.String("rule", decision.Rule),
		slog.String("requestId", info.ID),
		slog.String("address", addressText(c)),
	)
	_ = audit.Handler().Handle(context.Background(), line) // a log that cannot be written has nowhere to say so
}
