// Command naive is the gateway that one writes in an afternoon: gin.Default and
// the stock clients as their manuals show them. The benchmark compares with it;
// it is no example to follow.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"

	"github.com/IBM/sarama"
	"github.com/apolloconfig/agollo/v4"
	apolloconfig "github.com/apolloconfig/agollo/v4/env/config"
	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
)

type gateway struct {
	redis    *redis.Client
	producer sarama.SyncProducer
	apollo   agollo.Client
	upstream *httputil.ReverseProxy
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	redisAddr := flag.String("redis", "", "host:port")
	kafka := flag.String("kafka", "", "host:port")
	apollo := flag.String("apollo", "", "URL of the config service")
	upstream := flag.String("upstream", "", "URL")
	flag.Parse()
	g, err := open(*redisAddr, *kafka, *apollo, *upstream)
	if err == nil {
		err = g.routes().Run(*listen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func open(redisAddr, kafka, apollo, upstream string) (*gateway, error) {
	config := sarama.NewConfig()
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	producer, err := sarama.NewSyncProducer([]string{kafka}, config)
	if err != nil {
		return nil, err
	}
	client, err := agollo.StartWithConfig(func() (*apolloconfig.AppConfig, error) {
		return &apolloconfig.AppConfig{AppID: "demo", Cluster: "default", IP: apollo, NamespaceName: "application"}, nil
	})
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	return &gateway{
		redis:    redis.NewClient(&redis.Options{Addr: redisAddr}),
		producer: producer, apollo: client,
		upstream: httputil.NewSingleHostReverseProxy(target),
	}, nil
}

func (g *gateway) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.Default()
	engine.GET("/readyz", func(c *gin.Context) { c.String(http.StatusOK, "UP") })
	engine.GET("/v1/state/:store/:key", g.get)
	engine.PUT("/v1/state/:store/:key", g.put)
	engine.POST("/v1/publish/:pubsub/:topic", g.publish)
	engine.GET("/v1/config/:store/:group/:key", g.config)
	engine.POST("/v1/lock/:store/:resource", g.acquire)
	engine.DELETE("/v1/lock/:store/:resource", g.release)
	engine.POST("/v1/sequence/:store/:key", g.next)
	engine.Any("/v1/invoke/:service/*path", g.invoke)
	return engine
}
