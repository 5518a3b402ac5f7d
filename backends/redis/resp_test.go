package redis

import (
	"bufio"
	"strings"
	"testing"
)

func read(text string) (reply, error) { return readReply(bufio.NewReader(strings.NewReader(text))) }

func TestReplies(t *testing.T) {
	r := must(read(">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$4\r\nb\r\nc\r\n"))(t)
	if r.kind != '>' || len(r.parts) != 2 || r.parts[0].text != "invalidate" || r.parts[1].parts[1].text != "b\r\nc" {
		t.Fatalf("read %+v", r)
	}
	r = must(read("%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n"))(t)
	if len(r.parts) != 4 || r.parts[1].text != "1" {
		t.Fatalf("read %+v", r)
	}
	for text, kind := range map[string]byte{"_\r\n": '_', "$-1\r\n": '_', "#t\r\n": '#', "-ERR x\r\n": '-', "!3\r\nERR\r\n": '!', "$0\r\n\r\n": '$'} {
		if r := must(read(text))(t); r.kind != kind || r.isError() != (kind == '-' || kind == '!') {
			t.Errorf("%q was read as %+v", text, r)
		}
	}
}

func TestBadRepliesAreErrors(t *testing.T) {
	for _, text := range []string{
		"", "\r\n", "+", "x1\r\n", "$x\r\n", "$-2\r\n", "$5\r\nabc", "$2000000\r\n", "*-1\r\n", "*70000\r\n", "*2\r\n:1\r\n",
		strings.Repeat("*1\r\n", 20) + ":1\r\n", "HTTP/1.1 200 OK\r\n",
	} {
		if r, err := read(text); err == nil {
			t.Errorf("%q was read as %+v", text, r)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, text := range []string{">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n", "%1\r\n+a\r\n_\r\n", "$-1\r\n", "*9\r\n*9\r\n"} {
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text string) { _, _ = read(text) })
}

func TestCommandsAreFramedByLength(t *testing.T) {
	if got := string(appendCommand(nil, "EXISTS", "a\r\nb")); got != "*2\r\n$6\r\nEXISTS\r\n$4\r\na\r\nb\r\n" {
		t.Fatalf("wrote %q", got)
	}
}
