package handlers

import (
	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
)

// keyed is the right on one key of a component: <component>/<key>.
func keyed(action access.Action) func(*gin.Context) (access.Request, error) {
	return func(c *gin.Context) (access.Request, error) {
		key, err := keyParam(c)
		return access.Request{Action: action, Resource: nameParam(c, "store") + "/" + key}, err
	}
}

// prefixed is the right on all keys that begin with the prefix parameter.
func prefixed(action access.Action) func(*gin.Context) (access.Request, error) {
	return func(c *gin.Context) (access.Request, error) {
		prefix := c.Query("prefix")
		if err := validKey(prefix); err != nil {
			return access.Request{}, err
		}
		return access.Request{Action: action, Resource: nameParam(c, "store") + "/" + prefix, Prefix: true}, nil
	}
}
