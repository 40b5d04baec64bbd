package metrics

import "time"

// Timed calls f and says how long it took.
func Timed(f func()) time.Duration {
	started := time.Now()
	f()
	return time.Since(started)
}
