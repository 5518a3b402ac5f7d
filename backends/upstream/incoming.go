package upstream

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// field is one header or trailer line.
type field struct{ name, value string }

// commit sends an answer's head to the caller: what the upstream said
// replaces what the middleware put there before, with two exceptions. The
// request id is ours, and Vary adds up.
func commit(w http.ResponseWriter, p *passage, status int, fields []field, hop []string) {
	own := w.Header()
	kept := fields[:0]
	for _, f := range fields {
		if answerFieldPasses(own, f.name, hop) {
			kept = append(kept, f)
		}
	}
	origin := p.origin()
	kept = append(kept, origin[:]...)
	for _, f := range kept {
		if f.name != "Vary" {
			delete(own, f.name)
		}
	}
	add(own, kept)
	if _, typed := own["Content-Type"]; !typed {
		own["Content-Type"] = nil // or net/http would guess one
	}
	w.WriteHeader(status)
}

func answerFieldPasses(own http.Header, name string, hop []string) bool {
	if name == "X-Request-Id" && own[name] != nil {
		return false
	}
	plain := dashed(name)
	return !isHop(plain) && !isOurs(plain) && (len(hop) == 0 || !slices.Contains(hop, name))
}

// add puts fields into a header with one allocation for all values.
func add(header http.Header, fields []field) {
	values := make([]string, len(fields))
	for i, f := range fields {
		values[i] = f.value
		if before, ok := header[f.name]; ok {
			header[f.name] = append(before, f.value)
		} else {
			header[f.name] = values[i : i+1 : i+1]
		}
	}
}

// origin says who answered, or was asked last, and at which try.
func (p *passage) origin() [2]field {
	return [2]field{{"Ottogate-Attempts", strconv.Itoa(p.tries)}, {"Ottogate-Upstream", p.endpoint.label}}
}

func setOrigin(header http.Header, p *passage) {
	for _, f := range p.origin() {
		header.Set(f.name, f.value)
	}
}

// announce lists the trailers that the upstream announced, as far as they
// pass and do not double a header.
func announce(own http.Header, announced []string, present func(name string) bool) {
	var names []string
	for _, line := range announced {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.Trim(name, " \t"))
			if isToken(name) && !forbiddenTrailer(name) && !present(name) {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		own["Trailer"] = []string{strings.Join(names, ", ")}
	}
}

// setTrailer has net/http send a field behind the body, announced or not.
func setTrailer(own http.Header, f field) {
	if !forbiddenTrailer(f.name) {
		own.Add(http.TrailerPrefix+f.name, f.value)
	}
}

// inform passes an interim answer (1xx) on. It goes to the innermost writer,
// since wrappers take the first WriteHeader for the final one.
func inform(w http.ResponseWriter, r *http.Request, status int, fields []field) {
	if !r.ProtoAtLeast(1, 1) {
		return
	}
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = wrapper.Unwrap()
	}
	own := w.Header()
	before := maps.Clone(own)
	clear(own)
	for _, f := range fields {
		if answerFieldPasses(own, f.name, nil) {
			own.Add(f.name, f.value)
		}
	}
	w.WriteHeader(status)
	clear(own)
	maps.Copy(own, before)
}
