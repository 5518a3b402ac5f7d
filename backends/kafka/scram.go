package kafka

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
)

// maxIterations bounds the work that a false server can make us do.
const maxIterations = 1 << 20

var (
	errScram     = errors.New("the broker's SCRAM message is malformed")
	errImpostor  = errors.New("the broker does not know the password: its signature is wrong")
	errScramOver = errors.New("the SCRAM exchange is over")
)

// scram is the client's side of one SCRAM exchange (RFC 5802) without channel
// binding, as Kafka uses it.
type scram struct {
	hash       func() hash.Hash
	size       int
	user       string
	password   string
	nonce      string
	first      string // the client's first message without its head
	verifier   []byte // what the server has to sign with
	transcript string
	step       int
}

func newScramSHA256() sarama.SCRAMClient { return &scram{hash: sha256.New, size: sha256.Size} }

func newScramSHA512() sarama.SCRAMClient { return &scram{hash: sha512.New, size: sha512.Size} }

// Begin takes the credentials for one exchange.
func (s *scram) Begin(user, password, _ string) error {
	s.user = strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user)
	s.password, s.nonce, s.step = password, rand.Text(), 0
	return nil
}

// Step answers the server's last message with the client's next.
func (s *scram) Step(challenge string) (string, error) {
	s.step++
	switch s.step {
	case 1:
		s.first = "n=" + s.user + ",r=" + s.nonce
		return "n,," + s.first, nil
	case 2:
		return s.prove(challenge)
	case 3:
		return "", s.verify(challenge)
	}
	return "", errScramOver
}

// Done says that the server has proved itself too.
func (s *scram) Done() bool { return s.step >= 3 }

// prove answers the server's salt with the client's proof (RFC 5802 section 3).
func (s *scram) prove(challenge string) (string, error) {
	fields := scramFields(challenge)
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	iterations, badCount := strconv.Atoi(fields["i"])
	nonce := fields["r"]
	if err != nil || badCount != nil || iterations < 1 || iterations > maxIterations || len(nonce) <= len(s.nonce) || !strings.HasPrefix(nonce, s.nonce) {
		return "", errScram
	}
	salted, err := pbkdf2.Key(s.hash, s.password, salt, iterations, s.size)
	if err != nil {
		return "", err
	}
	final := "c=biws,r=" + nonce
	s.transcript = s.first + "," + challenge + "," + final
	s.verifier = s.mac(salted, "Server Key")

	key := s.mac(salted, "Client Key")
	digest := s.hash()
	digest.Write(key)
	proof := s.mac(digest.Sum(nil), s.transcript)
	subtle.XORBytes(proof, proof, key)
	return final + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

func (s *scram) verify(final string) error {
	fields := scramFields(final)
	if reason, refused := fields["e"]; refused {
		return fmt.Errorf("the broker refuses the user: %s", reason)
	}
	signature, err := base64.StdEncoding.DecodeString(fields["v"])
	if err != nil {
		return errScram
	}
	if !hmac.Equal(signature, s.mac(s.verifier, s.transcript)) {
		return errImpostor
	}
	return nil
}

func (s *scram) mac(key []byte, text string) []byte {
	mac := hmac.New(s.hash, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// scramFields splits a=1,b=2.
func scramFields(message string) map[string]string {
	fields := make(map[string]string)
	for field := range strings.SplitSeq(message, ",") {
		if name, value, ok := strings.Cut(field, "="); ok {
			fields[name] = value
		}
	}
	return fields
}
