package main

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/IBM/sarama"
	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
)

func (g *gateway) get(c *gin.Context) {
	value, err := g.redis.Get(c, "naive:state:"+c.Param("key")).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		c.JSON(http.StatusNotFound, gin.H{"error": "no such key"})
	case err != nil:
		c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
	default:
		c.Data(http.StatusOK, "application/octet-stream", value)
	}
}

func (g *gateway) put(c *gin.Context) {
	value, err := io.ReadAll(c.Request.Body)
	if err == nil {
		err = g.redis.Set(c, "naive:state:"+c.Param("key"), value, 0).Err()
	}
	if err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
		return
	}
	c.Status(http.StatusNoContent)
}

func (g *gateway) publish(c *gin.Context) {
	value, err := io.ReadAll(c.Request.Body)
	if err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
		return
	}
	partition, offset, err := g.producer.SendMessage(&sarama.ProducerMessage{
		Topic: c.Param("topic"), Value: sarama.ByteEncoder(value),
	})
	if err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
		return
	}
	c.JSON(http.StatusOK, gin.H{"partition": partition, "offset": offset})
}

func (g *gateway) config(c *gin.Context) {
	c.String(http.StatusOK, g.apollo.GetConfig(c.Param("group")).GetValue(c.Param("key")))
}

func (g *gateway) acquire(c *gin.Context) {
	var body struct{ Owner string }
	if err := c.ShouldBindJSON(&body); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
		return
	}
	granted, err := g.redis.SetNX(c, "naive:lock:"+c.Param("resource"), body.Owner, 10*time.Second).Result()
	switch {
	case err != nil:
		c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
	case !granted:
		c.JSON(http.StatusConflict, gin.H{"error": "held"})
	default:
		c.JSON(http.StatusOK, gin.H{"owner": body.Owner})
	}
}

// unlock deletes a lock that the owner holds.
var unlock = redis.NewScript(`if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`)

func (g *gateway) release(c *gin.Context) {
	deleted, err := unlock.Run(c, g.redis, []string{"naive:lock:" + c.Param("resource")}, c.Query("owner")).Int()
	switch {
	case err != nil:
		c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
	case deleted == 0:
		c.JSON(http.StatusConflict, gin.H{"error": "not yours"})
	default:
		c.Status(http.StatusNoContent)
	}
}

func (g *gateway) next(c *gin.Context) {
	number, err := g.redis.Incr(c, "naive:sequence:"+c.Param("key")).Result()
	if err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
		return
	}
	c.JSON(http.StatusOK, gin.H{"first": number, "last": number})
}

func (g *gateway) invoke(c *gin.Context) {
	c.Request.URL.Path = c.Param("path")
	g.upstream.ServeHTTP(c.Writer, c.Request)
}
