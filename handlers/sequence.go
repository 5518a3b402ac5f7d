package handlers

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/ottogate/ottogate/access"
	"github.com/ottogate/ottogate/backends"
	"github.com/ottogate/ottogate/problem"
)

// Sequence answers /v1/sequence: numbers that never repeat.
type Sequence struct{ Stores map[string]SequenceComponent }

// SequenceComponent is one configured sequence store.
type SequenceComponent struct {
	Sequencer backends.Sequencer
	Keys      Keyspace
}

// maxCount bounds the numbers of one call.
const maxCount = 1_000_000

// Routes lists the block's lines of the contract.
func (s *Sequence) Routes() []Route {
	return []Route{
		{Method: "POST", Path: "/v1/sequence/:store/*key", Access: keyed(access.Sequence), Handle: s.Next},
	}
}

// sequenceRequest is the body of Next.
type sequenceRequest struct {
	Count *int64 `json:"count" example:"1" minimum:"1" maximum:"1000000" default:"1"` // how many numbers
	Order string `json:"order" enums:"strict,relaxed" default:"strict"`
	Floor string `json:"floor" example:"5000"` // the first number is above it
} //	@name	SequenceRequest

// sequenceAnswer is a range of numbers, as strings since they may pass 2^53.
type sequenceAnswer struct {
	First string `json:"first" example:"5001"`
	Last  string `json:"last" example:"5001"`
} //	@name	SequenceRange

// Next takes numbers.
//
//	@Summary		Take the next numbers
//	@Description	strict: every later call, through any replica, gets a larger number. relaxed asks for less (unique, roughly rising) and is served like strict by this version. floor: the first number is above it.
//	@Tags			sequence
//	@ID				nextSequence
//	@Accept			json
//	@Produce		json
//	@Param			store	path	string			true	"Sequence component"	example(main)
//	@Param			key		path	string			true	"Sequence"				example(invoices)
//	@Param			take	body	sequenceRequest	false	"How many, and above what"
//	@Success		200	{object}	sequenceAnswer
//	@Failure		404	{object}	problem.Document
//	@Failure		415	{object}	problem.Document
//	@Failure		422	{object}	problem.Document
//	@Failure		501	{object}	problem.Document
//	@Router			/v1/sequence/{store}/{key} [post]
func (s *Sequence) Next(c *gin.Context) error {
	if err := refuseHeaders(c, "Idempotency-Key"); err != nil {
		return err
	}
	component, err := find(s.Stores, nameParam(c, "store"), "sequence")
	if err != nil {
		return err
	}
	key, err := keyParam(c)
	if err != nil {
		return err
	}
	body, err := control[sequenceRequest](c)
	if err != nil {
		return err
	}
	count, floor, err := body.values()
	if err != nil {
		return err
	}
	first, err := component.Sequencer.Next(c.Request.Context(), component.Keys.Of(appOf(c), key), count, floor)
	if err != nil {
		return err
	}
	return writeJSON(c, http.StatusOK, sequenceAnswer{
		First: strconv.FormatInt(first, 10), Last: strconv.FormatInt(first+count-1, 10),
	})
}

func (r sequenceRequest) values() (count, floor int64, err error) {
	count = 1
	if r.Count != nil {
		count = *r.Count
	}
	if count < 1 || count > maxCount {
		return 0, 0, problem.AtPointer("/count", "count must be from 1 to %d", maxCount)
	}
	if r.Order != "" && r.Order != "strict" && r.Order != "relaxed" {
		return 0, 0, problem.AtPointer("/order", "order must be strict or relaxed")
	}
	if r.Floor != "" {
		if floor, err = strconv.ParseInt(r.Floor, 10, 64); err != nil || floor < 0 {
			return 0, 0, problem.AtPointer("/floor", "floor must be a whole number from 0 to 2^63-1, as a string")
		}
	}
	return count, floor, nil
}
