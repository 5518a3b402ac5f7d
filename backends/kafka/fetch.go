package kafka

import (
	"errors"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/ottogate/ottogate/backends"
)

// fetchVersion is the last version of Fetch whose records sarama decodes the
// same way for every codec.
const fetchVersion = 11

// abortMarker is the type of a control record that ends an aborted transaction.
const abortMarker = 0

var errOldRecords = errors.New("the topic holds records in a format from before Kafka 0.11")

// item is a record and the place behind it, which may lie behind further
// offsets that have nothing to show.
type item struct {
	record backends.Delivery // without a cursor
	after  int64
}

// fetched is what one request brought of one partition.
type fetched struct {
	items []item
	next  int64         // where to go on; also without items it may be further
	code  sarama.KError // what the broker says instead
}

// fetchFrom asks one leader for the records at positions and waits at the
// broker at most wait for the first. It blocks and is to be run by await.
func fetchFrom(leader *sarama.Broker, topic string, positions map[int32]int64, wait time.Duration, bytes int32) (map[int32]fetched, error) {
	request := &sarama.FetchRequest{
		Version: fetchVersion, SessionEpoch: -1, Isolation: sarama.ReadCommitted,
		MaxWaitTime: int32(wait.Milliseconds()), MinBytes: 1, MaxBytes: bytes,
	}
	for partition, position := range positions {
		request.AddBlock(topic, partition, position, bytes, -1)
	}
	response, err := leader.Fetch(request)
	if err != nil {
		return nil, err
	}
	if code := sarama.KError(response.ErrorCode); !errors.Is(code, sarama.ErrNoError) {
		return nil, code
	}
	result := make(map[int32]fetched, len(positions))
	for partition, position := range positions {
		block := response.GetBlock(topic, partition)
		if block == nil {
			return nil, sarama.ErrIncompleteResponse
		}
		if result[partition], err = decodeBlock(topic, partition, position, block); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// decodeBlock turns batches into items, without control records and aborted
// transactions.
func decodeBlock(topic string, partition int32, from int64, block *sarama.FetchResponseBlock) (fetched, error) {
	f := fetched{next: from, code: block.Err}
	if !errors.Is(block.Err, sarama.ErrNoError) {
		return f, nil
	}
	visible := newCommitted(block.AbortedTransactions)
	for _, records := range block.RecordsSet {
		batch := records.RecordBatch
		if batch == nil {
			return f, errOldRecords
		}
		if batch.PartialTrailingRecord {
			break
		}
		if visible.includes(batch) {
			f.items = appendItems(f.items, topic, partition, from, batch)
		}
		f.next = max(f.next, batch.LastOffset()+1)
	}
	switch {
	case len(f.items) > 0:
		f.items[len(f.items)-1].after = f.next
	case len(block.RecordsSet) == 0 && !block.Partial && from < block.LastStableOffset:
		f.next = from + 1 // an emptied batch, of which sarama tells nothing
	}
	return f, nil
}

func appendItems(items []item, topic string, partition int32, from int64, batch *sarama.RecordBatch) []item {
	for _, record := range batch.Records {
		offset := batch.FirstOffset + record.OffsetDelta
		if offset < from {
			continue // a batch is sent whole
		}
		items = append(items, item{after: offset + 1, record: backends.Delivery{
			Topic: topic, Partition: partition, Offset: offset, Timestamp: timestampOf(batch, record),
			Key: record.Key, Headers: headersOf(record), Value: record.Value,
		}})
	}
	return items
}

func timestampOf(batch *sarama.RecordBatch, record *sarama.Record) time.Time {
	if batch.LogAppendTime {
		return batch.MaxTimestamp
	}
	return batch.FirstTimestamp.Add(record.TimestampDelta)
}

func headersOf(record *sarama.Record) []backends.Header {
	if len(record.Headers) == 0 {
		return nil
	}
	headers := make([]backends.Header, len(record.Headers))
	for i, header := range record.Headers {
		headers[i] = backends.Header{Name: string(header.Key), Value: header.Value}
	}
	return headers
}

// committed sorts out the batches of aborted transactions, in the way that
// Kafka's protocol prescribes for read-committed readers.
type committed struct {
	pending []*sarama.AbortedTransaction // by first offset, not yet reached
	aborted map[int64]struct{}           // producers within an aborted transaction
}

func newCommitted(aborted []*sarama.AbortedTransaction) *committed {
	slices.SortFunc(aborted, func(a, b *sarama.AbortedTransaction) int { return int(a.FirstOffset - b.FirstOffset) })
	return &committed{pending: aborted, aborted: make(map[int64]struct{})}
}

// includes says whether readers may see a batch; batches come in order.
func (c *committed) includes(batch *sarama.RecordBatch) bool {
	for len(c.pending) > 0 && c.pending[0].FirstOffset <= batch.LastOffset() {
		c.aborted[c.pending[0].ProducerID] = struct{}{}
		c.pending = c.pending[1:]
	}
	if batch.Control {
		if endsAborted(batch) {
			delete(c.aborted, batch.ProducerID)
		}
		return false
	}
	_, aborted := c.aborted[batch.ProducerID]
	return !batch.IsTransactional || !aborted
}

// endsAborted reads a control record's key: two bytes version, two bytes type.
func endsAborted(batch *sarama.RecordBatch) bool {
	if len(batch.Records) == 0 || len(batch.Records[0].Key) < 4 {
		return false
	}
	key := batch.Records[0].Key
	return int(key[2])<<8|int(key[3]) == abortMarker
}
