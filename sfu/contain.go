package sfu

// contain keeps a panic in a handler's callback from ending the process: it is
// counted and logged, and end ends the object of the callback. It has to be
// deferred.
func (st *site) contain(what string, end func()) {
	if r := recover(); r != nil {
		st.shard.Panicked(what, r)
		end()
	}
}
