// Package features turns what is known of a job at submission, and what had
// finished by then, into what the estimators learn from. Training and serving run
// this same code.
//
// A job belongs to a group at each of the Levels: from the finest (same user, name,
// command, shape, limit and declared inputs) to the coarsest (all jobs). State keeps
// for each group a bounded window of its latest runs. Names and commands enter as
// templates, without the parts that change from one submission to the next. A template
// that nobody has seen finds its relatives among its user's by likeness (sketch).
package features
