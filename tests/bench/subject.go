package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ottogate/ottogate/tests/servers"
)

// subject is a server under load.
type subject struct {
	*servers.Process
	name string
	url  string
}

// startTimeout bounds how long a subject may take to be ready.
const startTimeout = 20 * time.Second

// launch starts a program that listens at address and waits until ready, a
// path, answers 200. took is from before the program is started until then.
func launch(ctx context.Context, name, address, ready string, command servers.Command) (*subject, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s := &subject{name: name, url: "http://" + address}
	begin, answered, took := time.Now(), make(chan time.Duration, 1), time.Duration(0)
	go func() { // ends with ctx at the latest
		if poll(ctx, s.url+ready) == nil {
			answered <- time.Since(begin)
		}
	}()
	command.Ready = func(context.Context) error {
		select {
		case took = <-answered:
			return nil
		default:
			return errors.New(ready + " does not answer 200")
		}
	}
	process, err := servers.Start(ctx, command)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", name, err)
	}
	s.Process = process
	return s, took, nil
}

// poll asks every millisecond until the answer is 200.
func poll(ctx context.Context, url string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if get(ctx, &client, url) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}

// try sends one request of the route, so that a subject that cannot serve it
// is found before anything is measured.
func (s *subject) try(ctx context.Context, route route) error {
	if err := s.send(ctx, route.method, route.path, route); err != nil {
		return err
	}
	if route.pair() {
		return s.send(ctx, http.MethodDelete, route.path+route.query, route)
	}
	return nil
}

func (s *subject) send(ctx context.Context, method, path string, route route) error {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(route.body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", route.contentType())
	request.Header.Set("X-Api-Key", apiKey)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s %s: %s: %s", s.name, method, path, answer.Status, text)
	}
	return nil
}
