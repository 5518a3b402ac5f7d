package middleware

import (
	"strings"
	"testing"
)

const (
	aTrace  = "0af7651916cd43dd8448eb211c80319c"
	aSpan   = "b7ad6b7169203331"
	aParent = "00-" + aTrace + "-" + aSpan + "-01"
)

func TestATraceIsContinued(t *testing.T) {
	info, _, _ := infoOf("traceparent", aParent, "tracestate", "a=1", "tracestate", "b=2", "baggage", "user=alice")
	if !strings.HasPrefix(info.Traceparent, "00-"+aTrace+"-") || !strings.HasSuffix(info.Traceparent, "-01") {
		t.Errorf("traceparent %q", info.Traceparent)
	}
	if strings.Contains(info.Traceparent, aSpan) {
		t.Error("the caller's span is not ours")
	}
	if info.Tracestate != "a=1,b=2" || info.Baggage != "user=alice" {
		t.Errorf("tracestate %q, baggage %q", info.Tracestate, info.Baggage)
	}
}

func TestALaterVersionIsReadAsVersion00(t *testing.T) {
	info, _, _ := infoOf("traceparent", "cc-"+aTrace+"-"+aSpan+"-01-what-the-future-brings")
	if !strings.HasPrefix(info.Traceparent, "00-"+aTrace+"-") || !validTraceparent(info.Traceparent) {
		t.Errorf("traceparent %q", info.Traceparent)
	}
}

func TestATraceIsBegunWhereTheGivenOneIsInvalid(t *testing.T) {
	for _, given := range []string{
		"", "garbage", "ff-" + aTrace + "-" + aSpan + "-01", "00-" + strings.ToUpper(aTrace) + "-" + aSpan + "-01",
		"00-" + strings.Repeat("0", 32) + "-" + aSpan + "-01", "00-" + aTrace + "-" + strings.Repeat("0", 16) + "-01",
		aParent + "-x", aParent + " ", "00-" + aTrace + "-" + aSpan + "-0g", "cc-" + aTrace + "-" + aSpan + "-01x",
	} {
		info, _, _ := infoOf("traceparent", given, "tracestate", "a=1")
		if !validTraceparent(info.Traceparent) || strings.Contains(info.Traceparent, aTrace) || info.Tracestate != "" {
			t.Errorf("%q: traceparent %q, tracestate %q", given, info.Traceparent, info.Tracestate)
		}
		if !strings.HasSuffix(info.Traceparent, "-00") {
			t.Errorf("%q: a trace that nobody asked for is sampled", given)
		}
	}
}

func TestTwoTraceparentsAreNone(t *testing.T) {
	if info, _, _ := infoOf("traceparent", aParent, "traceparent", aParent); strings.Contains(info.Traceparent, aTrace) {
		t.Errorf("traceparent %q", info.Traceparent)
	}
}

func TestB3IsRead(t *testing.T) {
	cases := []struct {
		headers      []string
		trace, flags string
	}{
		{[]string{"b3", aTrace + "-" + aSpan + "-1"}, aTrace, "01"},
		{[]string{"b3", aTrace + "-" + aSpan + "-d-05e3ac9a4f6e3b90"}, aTrace, "01"},
		{[]string{"b3", aTrace + "-" + aSpan + "-0"}, aTrace, "00"},
		{[]string{"b3", aSpan + "-" + aSpan}, strings.Repeat("0", 16) + aSpan, "00"},
		{[]string{"X-B3-TraceId", aTrace, "X-B3-SpanId", aSpan, "X-B3-Sampled", "1"}, aTrace, "01"},
		{[]string{"X-B3-TraceId", aTrace, "X-B3-SpanId", aSpan, "X-B3-Flags", "1"}, aTrace, "01"},
		{[]string{"X-B3-TraceId", aTrace, "X-B3-SpanId", aSpan}, aTrace, "00"},
	}
	for _, c := range cases {
		info, _, _ := infoOf(c.headers...)
		if !strings.HasPrefix(info.Traceparent, "00-"+c.trace+"-") || !strings.HasSuffix(info.Traceparent, "-"+c.flags) || !validTraceparent(info.Traceparent) {
			t.Errorf("%v: traceparent %q", c.headers, info.Traceparent)
		}
	}
}

func TestABadB3BeginsATrace(t *testing.T) {
	for _, given := range []string{"0", "1", "xyz", strings.Repeat("0", 32) + "-" + aSpan, aTrace[:20] + "-" + aSpan} {
		if info, _, _ := infoOf("b3", given); !validTraceparent(info.Traceparent) {
			t.Errorf("%q: traceparent %q", given, info.Traceparent)
		}
	}
}

func TestWhatIsTooLongOrUnprintableIsDropped(t *testing.T) {
	info, _, _ := infoOf("traceparent", aParent, "tracestate", strings.Repeat("a", maxTracestate+1), "baggage", "user=\x1b[31mred")
	if info.Tracestate != "" || info.Baggage != "" {
		t.Errorf("tracestate %q, baggage %q", info.Tracestate, info.Baggage)
	}
}

func FuzzTrace(f *testing.F) {
	f.Add(aParent, "a=1", aTrace+"-"+aSpan+"-1")
	f.Add("cc-"+aTrace+"-"+aSpan+"-01-x", "", "0")
	f.Fuzz(func(t *testing.T, parent, state, b3 string) {
		info, _, _ := infoOf("traceparent", parent, "tracestate", state, "b3", b3)
		if !validTraceparent(info.Traceparent) || len(info.Traceparent) != traceparentLength {
			t.Fatalf("traceparent %q", info.Traceparent)
		}
	})
}
