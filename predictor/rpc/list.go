package rpc

import (
	"fmt"
	"iter"

	"google.golang.org/protobuf/proto"
)

// fromList reads and validates the list field of a request.
func fromList[M, T any](field string, list []M, from func(*violations, M) T, validate func(*T) error) ([]T, error) {
	if err := checkBatch(field, len(list)); err != nil {
		return nil, err
	}
	var all violations
	values := make([]T, len(list))
	for i, m := range list {
		var v violations
		values[i] = from(&v, m)
		v.validate(validate(&values[i]))
		all.element(field, i, v)
	}
	return values, all.err()
}

// toList validates and writes the list field of a request. What the server would
// refuse is not sent, and what is not valid might not fit the wire.
func toList[T, M any](field string, values []T, to func(*T) M, validate func(*T) error) ([]M, error) {
	var all violations
	list := make([]M, len(values))
	for i := range values {
		var v violations
		v.validate(validate(&values[i]))
		all.element(field, i, v)
		if len(all) == 0 {
			list[i] = to(&values[i])
		}
	}
	return list, all.err()
}

// appendList reads the list field of a response, which must have want elements.
func appendList[T, M any](values []T, field string, want int, list []M, from func(*violations, M) T) ([]T, error) {
	var all violations
	if len(list) != want {
		all.add(field, fmt.Sprintf("%d elements, one for each asked", want))
	}
	for i, m := range list {
		var v violations
		values = append(values, from(&v, m))
		all.element(field, i, v)
	}
	if err := all.malformed(); err != nil {
		return nil, err
	}
	return values, nil
}

func checkBatch(field string, n int) error {
	var v violations
	if n > MaxBatch {
		v.add(field, fmt.Sprintf("at most %d elements", MaxBatch))
	}
	return v.err()
}

// batches splits list into parts of at most MaxBatch elements and about batchBytes.
func batches[M proto.Message](list []M) iter.Seq[[]M] {
	return func(yield func([]M) bool) {
		start, size := 0, 0
		for i, m := range list {
			n := proto.Size(m)
			if i > start && (i-start >= MaxBatch || size+n > batchBytes) {
				if !yield(list[start:i]) {
					return
				}
				start, size = i, 0
			}
			size += n
		}
		if start < len(list) {
			yield(list[start:])
		}
	}
}
