// Package simulation runs the whole of Duotel in simulated worlds: weeks in seconds, from a seed, under all faults at once,
// beside a model that knows the truth. It is test code only.
//
// A world is a bubble of [testing/synctest]: its clock moves when everybody waits, so that an hour takes a tenth of a second. What is
// outside the process (network, backend, disk, scrapers) is simulated; what is inside is the library itself, through its public API.
// A seed draws which faults a world has and how often they strike. The laws are what the documents promise: what was recorded is
// accepted, spooled or counted as lost; a page says what was true while it was made; every call returns in its time.
//
// The worlds are in the folders below, one for each side of the library:
//
//	service     a service with both exits, its backend, scrapers, disk and process
//	discovery   registrants, registries and their store
//
// docs/testing.md says how to run them, what they cover, and what is not simulated.
package simulation
