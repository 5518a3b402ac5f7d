package apollo

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apolloconfig/agollo/v4/protocol/auth/sign"

	"github.com/ottogate/ottogate/backends"
)

// maxAnswer bounds an answer of Apollo, in bytes.
const maxAnswer = 16 << 20

// client speaks the config service's protocol. It keeps no state but its
// connections and which of the servers answered last.
type client struct {
	servers []string // base URLs without a slash at the end
	present atomic.Uint32
	secrets map[string]string
	http    *http.Client
	slots   chan struct{} // fetches under way; polls do not count
}

func newClient(config Config) (*client, error) {
	c := &client{secrets: map[string]string{}, slots: make(chan struct{}, maxFetches)}
	for server := range strings.SplitSeq(config.ConfigService, ",") {
		base, err := url.Parse(strings.TrimSpace(server))
		if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Scheme != "http" && base.Scheme != "https" {
			return nil, errors.New("apollo: the config service must be an http or https URL, or several with commas between them")
		}
		c.servers = append(c.servers, strings.TrimRight(base.String(), "/"))
	}
	for app, setting := range config.Apps {
		c.secrets[app] = setting.Secret
	}
	c.http = &http.Client{Transport: transport(config.TLS), CheckRedirect: noRedirect}
	return c, nil
}

// transport has no time-outs of its own but for connecting: every call has a
// deadline. Keep-alive finds a host that vanished under a long poll.
func transport(trust *tls.Config) *http.Transport {
	dialer := net.Dialer{
		Timeout:         3 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: trust.Clone(), TLSHandshakeTimeout: 3 * time.Second,
		MaxIdleConnsPerHost: maxFetches, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
	}
}

// noRedirect keeps signatures and values from going where nobody sent them.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *client) close() { c.http.CloseIdleConnections() }

// origin names the Apollo that this client reads, whatever the order of its servers.
func (c *client) origin() string { return strings.Join(slices.Sorted(slices.Values(c.servers)), ",") }

// fetch asks for the content of a group. base is what the caller has, or nil:
// the answer is errUnmodified when that is still in force. news are the
// messages of the notification that led here; they keep a config server with a
// cache from answering with the past.
func (c *client) fetch(ctx context.Context, ref backends.GroupRef, base *backends.Snapshot, news messages) (*backends.Snapshot, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	snapshot, err := c.config(ctx, ref, base, news)
	if errors.Is(err, errIncremental) {
		return c.config(ctx, ref, nil, news)
	}
	return snapshot, err
}

func (c *client) config(ctx context.Context, ref backends.GroupRef, base *backends.Snapshot, news messages) (*backends.Snapshot, error) {
	query := url.Values{}
	if base != nil {
		query.Set("releaseKey", base.Version)
	}
	if ref.Label != "" {
		query.Set("label", ref.Label)
	}
	if len(news) > 0 {
		query.Set("messages", news.encode())
	}
	body, err := c.get(ctx, ref.App, "/configs/"+ref.App+"/"+ref.Cluster+"/"+ref.Group, query)
	if err != nil {
		return nil, err
	}
	return decodeConfig(body, ref, base)
}

// ask is the long poll: it returns the namespaces with news, none when Apollo
// has held the question for its time without any.
func (c *client) ask(ctx context.Context, app, cluster string, known []notification) ([]notification, error) {
	encoded, err := json.Marshal(known)
	if err != nil {
		return nil, err
	}
	body, err := c.get(ctx, app, "/notifications/v2", url.Values{
		"appId": {app}, "cluster": {cluster}, "notifications": {string(encoded)},
	})
	if errors.Is(err, errUnmodified) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeNotifications(body)
}

// probe asks for the list of config servers, which needs no app.
func (c *client) probe(ctx context.Context) error {
	_, err := c.get(ctx, "", "/services/config", nil)
	return classify(ctx, err)
}

// get makes one call to the present server. After a failure that another
// server may not have, the next call goes to the next one.
func (c *client) get(ctx context.Context, app, path string, query url.Values) ([]byte, error) {
	present := c.present.Load()
	target := c.servers[int(present)%len(c.servers)] + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	body, err := c.call(ctx, app, target)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) && !errors.Is(err, errUnmodified) && !errors.Is(err, errAbsent) {
		c.present.CompareAndSwap(present, present+1)
	}
	return body, err
}

func (c *client) call(ctx context.Context, app, target string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	if secret := c.secrets[app]; secret != "" {
		maps.Copy(r.Header, new(sign.AuthSignature).HTTPHeaders(target, app, secret))
	}
	r.Header.Set("Accept", "application/json") // also for errors, which tell a 404 of Apollo from a proxy's
	response, err := c.http.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("%w: over %d bytes", errGarbage, maxAnswer)
	}
	if err != nil {
		return nil, err
	}
	return body, outcome(response.StatusCode, body)
}

// outcome judges an answer by its status.
func outcome(status int, body []byte) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusNotModified:
		return errUnmodified
	case http.StatusUnauthorized:
		return errUnsigned
	case http.StatusNotFound:
		return absence(body)
	default:
		return statusError(status)
	}
}

// withoutURL is the cause of a failed call: the URL around it holds the
// messages and ids of the call and says nothing to the reader of a log.
func withoutURL(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
