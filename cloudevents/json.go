package cloudevents

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// AppendJSON appends the event in the JSON event format, on one line. Data
// that says it is JSON, and is, becomes the member data with its own bytes, so
// that no number loses a digit; all else becomes data_base64.
func (e *Event) AppendJSON(dst []byte) []byte {
	separator := byte('{')
	e.attributes(func(name, value string) {
		dst = appendMember(append(dst, separator), name, value)
		separator = ','
	})
	if e.DataContentType != "" {
		dst = appendMember(append(dst, ','), attributeDataContentType, e.DataContentType)
	}
	return append(e.appendData(dst), '}')
}

func (e *Event) appendData(dst []byte) []byte {
	if e.Data == nil {
		return dst
	}
	if isJSON(e.DataContentType) && utf8.Valid(e.Data) && json.Valid(e.Data) {
		return AppendRawJSON(append(dst, `,"data":`...), e.Data)
	}
	dst = append(dst, `,"data_base64":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, e.Data), '"')
}

// AppendRawJSON appends a valid JSON value as it is; only white space goes
// when there is a line break in it, because an SSE field is one line.
func AppendRawJSON(dst, value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return append(dst, value...)
	}
	buffer := bytes.NewBuffer(dst)
	_ = json.Compact(buffer, value) // valid, so it cannot fail
	return buffer.Bytes()
}

func appendMember(dst []byte, name, value string) []byte {
	return appendString(append(appendString(dst, name), ':'), value)
}

// appendString appends a JSON string, quickly when nothing is to be escaped.
func appendString(dst []byte, text string) []byte {
	if plain(text) {
		return append(append(append(dst, '"'), text...), '"')
	}
	quoted, _ := json.Marshal(text) // a string always encodes
	return append(dst, quoted...)
}

func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// isJSON says whether data of this type is JSON; no type means JSON.
func isJSON(contentType string) bool {
	media := mediaType(contentType)
	return media == "" || media == "text/json" || strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json")
}
