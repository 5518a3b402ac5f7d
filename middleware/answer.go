package middleware

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// answerPiece is what a caller must at least take in one time of patience: a
// large answer may need many, one that nobody reads ends with the first.
const answerPiece = 64 << 10

// answer is the way back to a caller that may not be reading: it ends when a
// piece is not taken in time. It belongs to the handler's goroutine.
type answer struct {
	gin.ResponseWriter
	body  *body         // the request's, which nobody reads once the answer begins; nil = none
	idle  time.Duration // for a piece; 0 = no limit
	armed time.Time     // the write deadline as last set
}

// Unwrap leads http.ResponseController to the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) Write(p []byte) (int, error) {
	return inPieces(a, p, a.ResponseWriter.Write)
}

func (a *answer) WriteString(text string) (int, error) {
	return inPieces(a, text, a.ResponseWriter.WriteString)
}

// inPieces writes with the caller's time anew for each piece.
func inPieces[T []byte | string](a *answer, data T, write func(T) (int, error)) (written int, err error) {
	a.body.dismiss()
	for {
		a.arm()
		n, err := write(data[written:min(len(data), written+answerPiece)])
		written += n
		if err != nil || written == len(data) {
			return written, err
		}
	}
}

// arm sets the write deadline anew once a good part of it is used up. The
// server takes it away before the connection's next request.
func (a *answer) arm() {
	if a.idle <= 0 {
		return
	}
	now := time.Now()
	if a.armed.Sub(now) > a.idle*3/4 {
		return
	}
	if deadline := now.Add(a.idle); http.NewResponseController(a.ResponseWriter).SetWriteDeadline(deadline) == nil {
		a.armed = deadline
	}
}

// finish bounds what the server does on its own when the chain has ended: it
// looks for the end of the body and writes what is left of the answer.
func (a *answer) finish() {
	a.body.finish()
	if a.ResponseWriter != nil {
		a.arm()
	}
}
