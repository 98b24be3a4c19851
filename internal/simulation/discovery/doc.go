// Package discovery simulates those who are to be scraped: processes that register themselves at one of two registries, crash, come back under their old
// name and say goodbye too late; a platform that synchronises a group; and the store under both registries, from which each of them is
// cut off for a while, and which is slow or refuses.
//
// world_test.go has the actors and the timeline, model_test.go the truth and the laws: who lives is listed, who is dead is not, but for the delays that
// docs/discovery.md states, and the list is never wrongly empty.
package discovery
