package apollo

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// poll asks Apollo about the changes of up to groupsPerAsk groups of one app
// and cluster, with one question at a time.
type poll struct {
	store *Store
	key   pollKey
	cut   bool            // Apollo is away; belongs to run
	ctx   context.Context // ends with the last group
	end   context.CancelFunc

	mu      sync.Mutex
	members map[*group]struct{}
	ids     map[string]int64        // the notification id that we have, by namespace
	resync  time.Time               // when everything is asked for anew
	unasked bool                    // a group has joined since the last question
	stop    context.CancelCauseFunc // ends the question under way; nil = none is
}

// errJoined ends a question because it does not ask about all groups.
var errJoined = errors.New("apollo: a group has joined")

// run asks until the poll or the store ends. It pauses only after a failure
// and after an answer without news, which would else be asked for in a loop.
func (p *poll) run() {
	defer p.end()
	timing := p.store.timing
	retry := pause{min: timing.retryMin, max: timing.retryMax}
	for p.ctx.Err() == nil {
		begun := time.Now()
		asked, news, err := p.ask()
		switch {
		case p.ctx.Err() != nil || errors.Is(err, errJoined):
		case err != nil:
			p.lost(err)
			retry.wait(p.ctx)
		default:
			p.found()
			if p.heard(asked, news) || len(news) == 0 && time.Since(begun) > timing.retryMin {
				retry.reset()
			} else {
				retry.wait(p.ctx)
			}
		}
	}
}

// ask puts one question and waits for its answer.
func (p *poll) ask() (asked map[string]int64, news []notification, err error) {
	ctx, cancel := context.WithTimeout(p.ctx, p.store.timing.poll)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	asked = p.begin(stop)
	defer p.begin(nil)
	if len(asked) == 0 { // the last group has left, so that the poll is ending
		<-p.ctx.Done()
		return nil, nil, p.ctx.Err()
	}
	question := make([]notification, 0, len(asked))
	for name, id := range asked {
		question = append(question, notification{Namespace: name, ID: id})
	}
	news, err = p.store.client.ask(ctx, p.key.app, p.key.cluster, question)
	if err != nil && errors.Is(context.Cause(ctx), errJoined) {
		err = errJoined
	}
	return asked, news, err
}

// begin lists what to ask about and lets stop end the question; begin(nil)
// says that the question is over.
func (p *poll) begin(stop context.CancelCauseFunc) map[string]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop = stop; stop == nil {
		return nil
	}
	p.unasked = false
	if time.Now().After(p.resync) {
		p.forget()
	}
	asked := map[string]int64{}
	for g := range p.members {
		asked[g.ref.Group] = p.ids[g.ref.Group]
	}
	return asked
}

// forget makes the next question ask for everything: the answer comes at once,
// also from an Apollo that was restored and counts from a lower id.
func (p *poll) forget() {
	clear(p.ids)
	for g := range p.members {
		p.ids[g.ref.Group] = unknownID
	}
	p.resync = p.store.nextResync()
}

func (s *Store) nextResync() time.Time {
	return time.Now().Add(s.timing.resync/2 + rand.N(s.timing.resync))
}

// heard takes an answer over: groups with news are fetched, the others are
// confirmed. It says whether there was anything that was not known.
func (p *poll) heard(asked map[string]int64, news []notification) (progress bool) {
	told := map[string]messages{}
	p.mu.Lock()
	for _, n := range news {
		id, ours := asked[n.Namespace]
		if !ours {
			continue
		}
		progress = progress || n.ID != id
		told[n.Namespace] = n.Messages.Details
		if p.ids[n.Namespace] == id { // else a group has joined, which wants to be asked about
			p.ids[n.Namespace] = n.ID
		}
	}
	members := make([]*group, 0, len(p.members))
	for g := range p.members {
		if id, ours := asked[g.ref.Group]; ours && (id == unknownID || p.ids[g.ref.Group] != unknownID) {
			members = append(members, g)
		}
	}
	p.mu.Unlock()
	for _, g := range members {
		if details, changed := told[g.ref.Group]; changed || asked[g.ref.Group] == unknownID {
			p.store.refresh(g, details)
		} else {
			p.store.unchanged(g)
		}
	}
	return progress
}

// unchanged confirms a group that Apollo has no news of, unless a fetch of it
// is under way, which knows better.
func (s *Store) unchanged(g *group) {
	g.mu.Lock()
	busy := g.refreshing
	g.mu.Unlock()
	if !busy {
		s.confirm(g, time.Now())
	}
}

// lost marks all groups: Apollo cannot be reached.
func (p *poll) lost(err error) {
	p.mu.Lock()
	p.forget()
	for g := range p.members {
		g.stale.Store(true)
	}
	p.mu.Unlock()
	if !p.cut {
		p.cut = true
		p.store.log.Warn("apollo: lost", "app", p.key.app, "cluster", p.key.cluster, "error", err)
	}
}

// found ends what lost began; the groups' fetches take the marks away.
func (p *poll) found() {
	if p.cut {
		p.cut = false
		p.store.log.Info("apollo: found again", "app", p.key.app, "cluster", p.key.cluster)
	}
}
