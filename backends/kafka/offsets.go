package kafka

import (
	"errors"
	"time"

	"github.com/IBM/sarama"
)

// leaderTries is how often a question is put to a partition's leader before
// the topic counts as unavailable; leaders move within that time.
const leaderTries = 10

// byLeader groups partitions by the broker that leads them. Partitions without
// a leader are left out; err is the reason for the last one. It may block for
// a question about metadata.
func (s *session) byLeader(topic string, partitions []int32) (groups map[*sarama.Broker][]int32, err error) {
	groups = make(map[*sarama.Broker][]int32)
	for _, partition := range partitions {
		leader, failure := s.client.Leader(topic, partition)
		if failure != nil {
			err = failure
			continue
		}
		groups[leader] = append(groups[leader], partition)
	}
	return groups, err
}

// offsets asks the leaders for the first offset at or after a time in
// milliseconds, or for sarama.OffsetOldest or OffsetNewest; -1 means that there
// is none. The newest is the end of what read-committed readers may see. It
// blocks and is to be run by await.
func (s *session) offsets(topic string, partitions []int32, at int64) (map[int32]int64, error) {
	found := make(map[int32]int64, len(partitions))
	var failure error
	for try := range leaderTries {
		if try > 0 {
			time.Sleep(s.wires.pause(try, leaderTries))
			_ = s.client.RefreshMetadata(topic) // if it fails, so does the next try
		}
		if failure = s.askOffsets(topic, missing(partitions, found), at, found); failure == nil {
			return found, nil
		}
		if code, ok := errors.AsType[sarama.KError](failure); ok && !passing(code) || s.wires.ctx.Err() != nil {
			break
		}
	}
	return nil, failure
}

// drop closes a connection that failed, so that its next user gets a fresh one:
// sarama keeps a connection on which an answer timed out, and it never recovers.
func drop(broker *sarama.Broker) {
	_ = broker.Close() // it may be closed already
}

func missing(partitions []int32, found map[int32]int64) []int32 {
	var left []int32
	for _, partition := range partitions {
		if _, ok := found[partition]; !ok {
			left = append(left, partition)
		}
	}
	return left
}

// askOffsets fills in what can be had now and tells the last failure.
func (s *session) askOffsets(topic string, partitions []int32, at int64, found map[int32]int64) error {
	groups, failure := s.byLeader(topic, partitions)
	for leader, group := range groups {
		request := sarama.NewOffsetRequest(protocolVersion)
		request.IsolationLevel = sarama.ReadCommitted
		for _, partition := range group {
			request.AddBlock(topic, partition, at, 1)
		}
		response, err := leader.GetAvailableOffsets(request)
		if err != nil {
			drop(leader)
			failure = err
			continue
		}
		for _, partition := range group {
			switch block := response.GetBlock(topic, partition); {
			case block == nil:
				failure = sarama.ErrIncompleteResponse
			case !errors.Is(block.Err, sarama.ErrNoError):
				failure = block.Err
			default:
				found[partition] = block.Offset
			}
		}
	}
	return failure
}

// all lists the partitions 0 to count-1.
func all(count int32) []int32 {
	partitions := make([]int32, count)
	for i := range partitions {
		partitions[i] = int32(i)
	}
	return partitions
}
