package devstack

import (
	"encoding/json"
	"net/http"
	"time"
)

// apolloNotification is one entry of a long poll, asked and answered.
type apolloNotification struct {
	Namespace string          `json:"namespaceName"`
	ID        int64           `json:"notificationId"`
	Messages  *apolloMessages `json:"messages,omitempty"`
}

type apolloMessages struct {
	Details map[string]int64 `json:"details"` // notification id by watch key
}

// apolloPoll is a long poll that waits.
type apolloPoll struct {
	asked  map[string][]string // namespaces as the client spells them, by watch key
	answer chan []apolloNotification
}

// notifications is the long poll: what is newer than the client's ids at once,
// else the first news, else 304 after the hold.
func (a *Apollo) notifications(w http.ResponseWriter, r *http.Request) {
	var asked []apolloNotification
	if json.Unmarshal([]byte(r.FormValue("notifications")), &asked) != nil || len(asked) == 0 {
		springError(w, r, http.StatusBadRequest, "Invalid format of notifications")
		return
	}
	app, cluster := r.FormValue("appId"), r.FormValue("cluster")
	a.mu.Lock()
	news := a.news(app, cluster, asked)
	poll := newApolloPoll(app, cluster, asked)
	a.polls[poll] = struct{}{}
	a.mu.Unlock()
	defer a.forget(poll)
	if len(news) == 0 {
		news = a.await(r, poll)
	}
	if len(news) == 0 {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answerJSON(w, http.StatusOK, news)
}

// await waits for poll's answer; nothing when the hold or the client ends.
func (a *Apollo) await(r *http.Request, poll *apolloPoll) []apolloNotification {
	hold := time.NewTimer(a.config.Hold)
	defer hold.Stop()
	select {
	case news := <-poll.answer:
		return news
	case <-hold.C:
	case <-r.Context().Done():
	case <-a.stopping.Done():
	}
	return nil
}

// news lists the namespaces that have a newer id than the client, with the
// messages that the client hands on when it fetches.
func (a *Apollo) news(app, cluster string, asked []apolloNotification) []apolloNotification {
	var news []apolloNotification
	for _, ask := range asked {
		answer := apolloNotification{Namespace: ask.Namespace, ID: ask.ID, Messages: &apolloMessages{Details: map[string]int64{}}}
		for _, key := range watchedKeys(app, cluster, ask.Namespace) {
			if id, known := a.data.Messages[key]; known {
				answer.ID = max(answer.ID, id)
				answer.Messages.Details[key] = id
			}
		}
		if answer.ID > ask.ID {
			news = append(news, answer)
		}
	}
	return news
}

// watchedKeys are the watch keys that a client of cluster depends on.
func watchedKeys(app, cluster, namespace string) []string {
	keys := []string{apolloWatchKey(app, "default", apolloPlainName(namespace))}
	if cluster != "default" {
		keys = append(keys, apolloWatchKey(app, cluster, apolloPlainName(namespace)))
	}
	return keys
}

func newApolloPoll(app, cluster string, asked []apolloNotification) *apolloPoll {
	poll := &apolloPoll{asked: map[string][]string{}, answer: make(chan []apolloNotification, 1)}
	for _, ask := range asked {
		for _, key := range watchedKeys(app, cluster, ask.Namespace) {
			poll.asked[key] = append(poll.asked[key], ask.Namespace)
		}
	}
	return poll
}

func (a *Apollo) forget(poll *apolloPoll) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.polls, poll)
}

// announce tells the waiting polls of a change, after the scan delay if there
// is one. As with Apollo the ids that a client already has are not compared,
// so that a poll begun within the delay is told what it knows.
func (a *Apollo) announce(watchKey string) {
	id := a.data.Messages[watchKey]
	if a.config.Scan == 0 {
		a.tell(watchKey, id)
		return
	}
	time.AfterFunc(a.config.Scan, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.tell(watchKey, id)
	})
}

// tell answers the polls that wait for watchKey; the caller holds the lock.
func (a *Apollo) tell(watchKey string, id int64) {
	for poll := range a.polls {
		namespaces := poll.asked[watchKey]
		if len(namespaces) == 0 {
			continue
		}
		news := make([]apolloNotification, 0, len(namespaces))
		for _, namespace := range namespaces {
			details := map[string]int64{watchKey: id}
			news = append(news, apolloNotification{Namespace: namespace, ID: id, Messages: &apolloMessages{Details: details}})
		}
		select {
		case poll.answer <- news:
		default: // it has been told of another change already
		}
	}
}
