package control

import "sync"

// progress is how far an operation is. It is safe for concurrent use.
type progress struct {
	mu          sync.Mutex
	done, total int64
	message     string
}

func (p *progress) set(done, total int64, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total, p.message = done, total, message
}

func (p *progress) get() (done, total int64, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done, p.total, p.message
}
