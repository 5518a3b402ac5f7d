package apollo

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/ottogate/ottogate/backends"
)

// notification is one namespace of a long poll: asked with the id that the
// client has, answered with the id that the server has.
type notification struct {
	Namespace string `json:"namespaceName"`
	ID        int64  `json:"notificationId"`
	Messages  struct {
		Details messages `json:"details"`
	} `json:"messages,omitzero"`
}

// unknownID asks for the present id at once.
const unknownID = -1

// messages are the notification ids by watch key ("app+cluster+namespace").
type messages map[string]int64

// encode is the form in which they go with a fetch.
func (m messages) encode() string {
	encoded, _ := json.Marshal(map[string]messages{"details": m}) // always encodes
	return string(encoded)
}

// merge keeps the larger id of each key.
func (m messages) merge(news messages) {
	for key, id := range news {
		m[key] = max(m[key], id)
	}
}

func decodeNotifications(body []byte) ([]notification, error) {
	var news []notification
	if err := json.Unmarshal(body, &news); err != nil {
		return nil, fmt.Errorf("%w: notifications do not parse", errGarbage)
	}
	if len(news) == 0 {
		return nil, fmt.Errorf("%w: 200 without notifications", errGarbage)
	}
	return news, nil
}

// configAnswer is the answer of /configs. A server in incremental mode sends
// changes against the release that the client named instead of the items.
type configAnswer struct {
	App       string            `json:"appId"`
	Namespace string            `json:"namespaceName"`
	Key       string            `json:"releaseKey"`
	Items     map[string]string `json:"configurations"`
	Sync      string            `json:"configSyncType"`
	Changes   []configChange    `json:"configurationChanges"`
}

type configChange struct {
	Key   string  `json:"key"`
	Value *string `json:"newValue"`
	Kind  string  `json:"configurationChangeType"` // ADDED, MODIFIED or DELETED
}

// decodeConfig makes a snapshot of an answer, or refuses it: it must be for
// ref, name a release and hold that release's items. base is what the caller
// has, or nil. A release never changes, so one with base's key has base's
// items.
func decodeConfig(body []byte, ref backends.GroupRef, base *backends.Snapshot) (*backends.Snapshot, error) {
	var answer configAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("%w: the configuration does not parse", errGarbage) // the cause may quote a value
	}
	if answer.App != ref.App || !strings.EqualFold(answer.Namespace, ref.Group) || answer.Key == "" {
		return nil, fmt.Errorf("%w: it is for another group", errGarbage)
	}
	items, err := answer.items(base)
	if err != nil {
		return nil, err
	}
	if base != nil && answer.Key == base.Version && !maps.Equal(items, base.Items) {
		return nil, fmt.Errorf("%w: other items under the same release key", errGarbage)
	}
	return &backends.Snapshot{Ref: ref, Version: answer.Key, Items: items}, nil
}

// items are those of a full answer. Changes are taken only when they are
// against nothing: a server that has forgotten base's release sends changes
// that look like those against base, and deleted keys would stay.
func (a *configAnswer) items(base *backends.Snapshot) (map[string]string, error) {
	switch {
	case a.Sync != "IncrementalSync":
		if a.Items == nil {
			return nil, fmt.Errorf("%w: no configurations", errGarbage)
		}
		return a.Items, nil
	case base != nil:
		return nil, errIncremental
	}
	items := map[string]string{}
	for _, change := range a.Changes {
		if change.Kind != "ADDED" || change.Value == nil {
			return nil, fmt.Errorf("%w: a change against nothing that adds nothing", errGarbage)
		}
		items[change.Key] = *change.Value
	}
	return items, nil
}

// absence judges a 404. Apollo's own comes with the error document of the
// framework under it; one without may as well be a proxy that has lost Apollo.
func absence(body []byte) error {
	var document struct {
		Status int `json:"status"`
	}
	if json.Unmarshal(body, &document) == nil && document.Status == http.StatusNotFound {
		return errAbsent
	}
	return errForeignAbsent
}
