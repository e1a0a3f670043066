package rpc

import (
	"crypto/sha256"
	"math"
	"unicode/utf8"

	"github.com/runcast/runcast/predictor"
	pb "github.com/runcast/runcast/proto/runcast/v1"
)

func toModelInfo(i *predictor.ModelInfo) *pb.ModelInfo {
	return &pb.ModelInfo{
		Version:           i.Version,
		Created:           toTime(i.Created),
		Sha256:            i.SHA256,
		SizeBytes:         i.Size,
		Schema:            toInt32(i.Schema),
		Records:           int64(i.Records),
		From:              toTime(i.From),
		To:                toTime(i.To),
		Sequence:          i.Sequence,
		PinballP50Seconds: i.PinballP50,
		PinballP90Seconds: i.PinballP90,
		Reason:            i.Reason,
		Champion:          i.Champion,
	}
}

func fromModelInfo(v *violations, m *pb.ModelInfo) predictor.ModelInfo {
	return predictor.ModelInfo{
		Version:    m.GetVersion(),
		Created:    fromTime(v, "created", m.GetCreated()),
		SHA256:     m.GetSha256(),
		Size:       m.GetSizeBytes(),
		Schema:     int(m.GetSchema()),
		Records:    int(m.GetRecords()),
		From:       fromTime(v, "from", m.GetFrom()),
		To:         fromTime(v, "to", m.GetTo()),
		Sequence:   m.GetSequence(),
		PinballP50: m.GetPinballP50Seconds(),
		PinballP90: m.GetPinballP90Seconds(),
		Reason:     m.GetReason(),
		Champion:   m.GetChampion(),
	}
}

// validateModelInfo checks what a model says of itself. Size and checksum may be
// left to the registry to fill in.
func validateModelInfo(v *violations, i *predictor.ModelInfo) {
	v.name("version", i.Version)
	if len(i.SHA256) > 2*sha256.Size || !utf8.ValidString(i.SHA256) { // a wrong one is damage, not a violation
		v.add("sha256", "at most 64 hexadecimal digits")
	}
	if i.Size < 0 {
		v.add("size_bytes", "not negative")
	}
	if i.Schema < 0 || i.Schema > math.MaxInt32 {
		v.add("schema", "from 0 to 2147483647")
	}
	if i.Records < 0 {
		v.add("records", "not negative")
	}
	if i.To.Before(i.From) {
		v.add("to", "not before from")
	}
	if !finite(i.PinballP50) {
		v.add("pinball_p50_seconds", "a finite number")
	}
	if !finite(i.PinballP90) {
		v.add("pinball_p90_seconds", "a finite number")
	}
	if len(i.Reason) > predictor.MaxTextLength || !utf8.ValidString(i.Reason) {
		v.add("reason", "valid UTF-8 of at most 16 KiB")
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
