package redis

import (
	"strconv"
	"strings"
)

// slots is the number of slots that a Cluster shares out.
const slots = 16384

// slot is where a Cluster keeps a key: CRC-16/XMODEM of what hashed gives, by
// the Redis Cluster specification.
func slot(key string) uint16 {
	const polynomial = 0x1021
	var sum uint16
	for _, b := range []byte(hashed(key)) {
		sum ^= uint16(b) << 8
		for range 8 {
			carry := sum & 0x8000
			sum <<= 1
			if carry != 0 {
				sum ^= polynomial
			}
		}
	}
	return sum % slots
}

// hashed is the part of a key that decides its slot: what stands between the
// first { and the next }, if that is something, else all of it.
func hashed(key string) string {
	if _, after, opened := strings.Cut(key, "{"); opened {
		if tag, _, closed := strings.Cut(after, "}"); closed && tag != "" {
			return tag
		}
	}
	return key
}

// neighbour gives a hash tag, without its braces, that leads to key's slot. It
// is the same for keys that are hashed by the same text.
func neighbour(key string) string {
	tag := hashed(key)
	if tag != "" && !strings.Contains(tag, "}") {
		return tag
	}
	wanted := slot(key)
	for i := 0; ; i++ { // every slot has a number; the largest that is needed has five or six digits
		if tag := strconv.Itoa(i); slot(tag) == wanted {
			return tag
		}
	}
}
