package queue

import "sync"

/* Queue is first in, first out. */
type Queue struct {
	mutex sync.Mutex
	items []int
}

func (q *Queue) Put(item int) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.items = append(q.items, item)
}

func (q *Queue) Take() (int, bool) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if len(q.items) == 0 {
		return 0, false
	}
	first := q.items[0]
	q.items = q.items[1:]
	return first, true
}
