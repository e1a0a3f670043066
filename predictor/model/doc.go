// Package model estimates how long a job will run and how much memory its largest
// pod will need, from the jobs that have finished.
//
// The estimate is a weighted set of past runs, and everything said of a job is read
// from it: quantiles, mean, what remains after some time, and the reasons.
//
//  1. Pool. Each group of the job (features.Levels) adds its latest runs, finest group
//     first; a job with a name that nobody has seen borrows those of the nearest names.
//     A run weighs less the older it is and the less its job asked for the same
//     (similarity). A group takes a part of the weight and leaves the rest to coarser
//     ones: more, the more runs it has, and the better it has done (backoff). It enters
//     in up to three ways (component): its last few runs, all of its window, and its
//     runs relative to what the user had said, applied to what the user says now.
//     Where a regression over the group's inputs has predicted it better than its
//     history, its runs enter as if they had had this job's inputs (linear).
//  2. Censoring. A run that failed or was stopped says "longer than this": its weight
//     goes to the longer runs of the pool (productLimit).
//  3. Tilt. Boosted trees, which look at what the pool does not, move the weight
//     towards the longer or the shorter runs (tilt).
//  4. Tail. For the upper quantiles the job's own latest 256 runs join in, each counting
//     the same, with the more weight the better their p90 has done (tail).
//  5. Calibration. The pool is read at the levels that have made its quantiles cover
//     what they say (calibration).
//  6. Request. What a job should ask for is read from the pool in two ways and from the
//     largest of the job's own runs in two, of which the one is taken that would have cost
//     such jobs least of late (choice).
//
// All of it is learned online and causally: when a job has finished, the model looks
// up what it would have said of it at submission, from the runs that had finished by
// then, and compares.
package model
