package devstack

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// apolloData is everything that the stand-in knows, as its file holds it.
type apolloData struct {
	LastID     int64                       `json:"lastId"` // of releases and of messages
	Namespaces map[string]*apolloNamespace `json:"namespaces"`
	Messages   map[string]int64            `json:"messages"` // newest notification id by watch key
}

// apolloNamespace is a namespace: what is being edited and what was released.
type apolloNamespace struct {
	App      string          `json:"app"`
	Cluster  string          `json:"cluster"`
	Name     string          `json:"name"`
	Items    []apolloItem    `json:"items"`
	Releases []apolloRelease `json:"releases"` // oldest first
}

type apolloItem struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	By    string `json:"by"`
}

type apolloRelease struct {
	ID         int64             `json:"id"`
	Key        string            `json:"key"`
	Title      string            `json:"title"`
	Comment    string            `json:"comment"`
	By         string            `json:"by"`
	Time       time.Time         `json:"time"`
	Items      map[string]string `json:"items"`
	RolledBack bool              `json:"rolledBack,omitempty"`
}

var errNoNamespace = errors.New("namespace does not exist")

// watchKey is the name under which Apollo announces changes of a namespace.
func (ns *apolloNamespace) watchKey() string { return apolloWatchKey(ns.App, ns.Cluster, ns.Name) }

func apolloWatchKey(app, cluster, namespace string) string {
	return app + "+" + cluster + "+" + namespace
}

// apolloPlainName is the name without the suffix that Apollo ignores.
func apolloPlainName(namespace string) string { return strings.TrimSuffix(namespace, ".properties") }

// find gives the namespace of exactly this cluster, or nil.
func (d *apolloData) find(app, cluster, namespace string) *apolloNamespace {
	return d.Namespaces[apolloWatchKey(app, cluster, apolloPlainName(namespace))]
}

// ensure finds the namespace or makes an empty one.
func (d *apolloData) ensure(app, cluster, namespace string) *apolloNamespace {
	if ns := d.find(app, cluster, namespace); ns != nil {
		return ns
	}
	ns := &apolloNamespace{App: app, Cluster: cluster, Name: apolloPlainName(namespace)}
	d.Namespaces[ns.watchKey()] = ns
	return ns
}

// hasApp tells whether an app exists: it does by having namespaces.
func (d *apolloData) hasApp(app string) bool {
	for _, ns := range d.Namespaces {
		if ns.App == app {
			return true
		}
	}
	return false
}

// released is the namespace whose release a client gets: the asked cluster's,
// else the default cluster's.
func (d *apolloData) released(app, cluster, namespace string) *apolloNamespace {
	for _, cluster := range []string{cluster, "default"} {
		if ns := d.find(app, cluster, namespace); ns != nil && ns.latest() != nil {
			return ns
		}
	}
	return nil
}

// release makes the edited items the newest release and announces it.
func (d *apolloData) release(ns *apolloNamespace, title, comment, by string) *apolloRelease {
	items := map[string]string{}
	for _, item := range ns.Items {
		items[item.Key] = item.Value
	}
	now := time.Now()
	ns.Releases = append(ns.Releases, apolloRelease{
		ID: d.nextID(), Key: now.Format("20060102150405-") + randomHex(8),
		Title: title, Comment: comment, By: by, Time: now, Items: items,
	})
	d.notify(ns.watchKey())
	return ns.latest()
}

// notify gives a watch key a new notification id.
func (d *apolloData) notify(watchKey string) { d.Messages[watchKey] = d.nextID() }

// nextID hands out ids as Apollo's: shared by all namespaces, with gaps.
func (d *apolloData) nextID() int64 {
	d.LastID++
	return d.LastID
}

// latest is the release in force, or nil.
func (ns *apolloNamespace) latest() *apolloRelease {
	for i := len(ns.Releases) - 1; i >= 0; i-- {
		if !ns.Releases[i].RolledBack {
			return &ns.Releases[i]
		}
	}
	return nil
}

// item is the position of the item with this key, or -1.
func (ns *apolloNamespace) item(key string) int {
	return slices.IndexFunc(ns.Items, func(item apolloItem) bool { return item.Key == key })
}

// replace makes items the whole edited content.
func (ns *apolloNamespace) replace(items map[string]string) {
	ns.Items = nil
	for _, key := range slices.Sorted(maps.Keys(items)) {
		ns.Items = append(ns.Items, apolloItem{Key: key, Value: items[key], By: "apollo"})
	}
}

// load reads the data file, or begins with nothing and makes its folder.
func (a *Apollo) load() error {
	a.data = apolloData{Namespaces: map[string]*apolloNamespace{}, Messages: map[string]int64{}}
	raw, err := os.ReadFile(a.config.DataFile)
	if a.config.DataFile == "" || errors.Is(err, os.ErrNotExist) {
		raw, err = json.Marshal(a.data)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(a.config.DataFile), 0o700))
	}
	if err != nil {
		return fmt.Errorf("apollo stand-in: %w", err)
	}
	a.saved = raw
	if err := json.Unmarshal(raw, &a.data); err != nil {
		return fmt.Errorf("apollo stand-in: %s: %w", a.config.DataFile, err)
	}
	return nil
}

// change applies edit, writes the data, and tells the polls that wait for the
// watch key that edit returns. When edit or the write fails nothing has
// changed.
func (a *Apollo) change(edit func(*apolloData) (watchKey string, err error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	watchKey, err := edit(&a.data)
	if err == nil {
		err = a.save()
	}
	if err != nil {
		a.data = apolloData{}
		return errors.Join(err, json.Unmarshal(a.saved, &a.data))
	}
	if watchKey != "" {
		a.announce(watchKey)
	}
	return nil
}

// save replaces the data file in one step, so that a kill leaves the old or
// the new one.
func (a *Apollo) save() error {
	raw, err := json.Marshal(a.data)
	if err != nil {
		return err
	}
	if a.config.DataFile != "" {
		if err := replaceFile(a.config.DataFile, raw); err != nil {
			return err
		}
	}
	a.saved = raw
	return nil
}

func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func randomHex(bytes int) string {
	raw := make([]byte, bytes)
	_, _ = rand.Read(raw) // never fails
	return hex.EncodeToString(raw)
}
