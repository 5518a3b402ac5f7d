package redis

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A reader of RESP3, as much as the connection of the watches needs: go-redis
// looks for pushes only when it sends a command, and a watch waits.

const (
	replyBytes = 1 << 20 // the longest string that is read
	replyParts = 1 << 16 // the longest array
	replyDepth = 8
)

var errProtocol = errors.New("not the RESP3 that was expected")

// reply is one value that Redis sent.
type reply struct {
	kind  byte // its first byte: + - : $ * > % ~ _ # , ( = !
	text  string
	parts []reply
}

func (r *reply) isError() bool { return r.kind == '-' || r.kind == '!' }

// readReply reads a value with all that is in it.
func readReply(in *bufio.Reader) (reply, error) { return readNested(in, 0) }

func readNested(in *bufio.Reader, depth int) (reply, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return reply{}, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" || depth > replyDepth {
		return reply{}, errProtocol
	}
	r := reply{kind: line[0], text: line[1:]}
	switch r.kind {
	case '+', '-', ':', '_', '#', ',', '(':
		return r, nil
	case '$', '=', '!':
		return r, r.readText(in)
	case '*', '>', '~':
		return r, r.readParts(in, 1, depth)
	case '%':
		return r, r.readParts(in, 2, depth)
	}
	return reply{}, fmt.Errorf("%w: %.20q", errProtocol, line)
}

// readText reads a string of the length that text holds; -1 is RESP2's null.
func (r *reply) readText(in io.Reader) error {
	length, err := strconv.Atoi(r.text)
	switch {
	case err != nil || length < -1 || length > replyBytes:
		return errProtocol
	case length == -1:
		r.kind, r.text = '_', ""
		return nil
	}
	text := make([]byte, length+2)
	if _, err := io.ReadFull(in, text); err != nil {
		return err
	}
	r.text = string(text[:length])
	return nil
}

// readParts reads as many times per values as text holds.
func (r *reply) readParts(in *bufio.Reader, per, depth int) error {
	length, err := strconv.Atoi(r.text)
	if err != nil || length < 0 || length > replyParts {
		return errProtocol
	}
	for range length * per {
		part, err := readNested(in, depth+1)
		if err != nil {
			return err
		}
		r.parts = append(r.parts, part)
	}
	return nil
}

// appendCommand writes a command as Redis reads it.
func appendCommand(out []byte, args ...string) []byte {
	out = fmt.Appendf(out, "*%d\r\n", len(args))
	for _, arg := range args {
		out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return out
}
