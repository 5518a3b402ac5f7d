package middleware

import (
	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
)

// Auth finds out which app a request belongs to and writes it into
// request.Info; a request that proves none goes no further.
func Auth(authenticator *access.Authenticator) gin.HandlerFunc {
	return func(c *gin.Context) {
		identity, err := authenticator.Authenticate(c.Request)
		if err != nil {
			fail(c, err)
			return
		}
		info := &exchangeOf(c).info
		info.App, info.Via, info.CredentialHeader = identity.App, identity.Via, identity.CredentialHeader
		c.Next()
	}
}
