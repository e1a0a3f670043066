package features

import (
	"strings"

	"github.com/runcast/runcast/predictor"
)

// RunName names what a job is one run of: its family, else its owner, else its name
// without what Kubernetes adds for each run, which is the suffix of a generateName, as in
// "sweep-ep5-x7k2p", or the minute of a CronJob, as in "nightly-29939040". Unlike a
// Template it keeps every other number.
func RunName(s *predictor.JobSpec) string {
	label, value := subject(s)
	if dash := strings.LastIndexByte(value, '-'); label == "name" && dash > 0 && ofOneRun(value[dash+1:]) {
		return value[:dash]
	}
	return value
}

// ofOneRun reports words that Kubernetes adds for a run.
func ofOneRun(w string) bool {
	const suffixLength, minuteLength = 5, 8 // minutes since 1970, until the year 2160
	switch number := strings.Trim(w, "0123456789") == ""; len(w) {
	case suffixLength:
		return !number && strings.Trim(w, suffixAlphabet) == ""
	case minuteLength:
		return number
	}
	return false
}
