#!/bin/sh
# Weaken every memory order of the shipped sources, one at a time, and see that a model notices.
#
#   mutate.sh MODEL_PROGRAM...        all of them, since waivers.txt is for all
#
# A mutant is caught when any model catches it. One that survives in all of them must stand in waivers.txt with a reason;
# a waiver for one that is caught, or that is not there any more, is an error, too. Exit status 0: nothing unexplained.
set -eu

here=$(dirname "$0")
results=$(mktemp)
trap 'rm -f "$results"' EXIT

for program in "$@"; do
    "$program" --mutate >>"$results"
done

# waivers.txt: "mutant : reason" a line, # comments, blank lines.
awk -F '\t' -v waivers="$here/waivers.txt" '
    BEGIN {
        while ((getline line < waivers) > 0) {
            if (line ~ /^#/ || line ~ /^[ \t]*$/)
                continue
            split_at = index(line, " : ")
            if (split_at == 0 || split_at + 3 > length(line)) {
                print "waivers.txt: no reason: " line
                bad++
                continue
            }
            reason[substr(line, 1, split_at - 1)] = substr(line, split_at + 3)
        }
    }
    {
        at = $2 "\t" $3
        name[at] = $2
        if ($1 == "caught") {
            by[at] = $4
        } else if (!(at in tried)) {
            tried[at] = $4
        } else {
            tried[at] = tried[at] "; " $4
        }
    }
    END {
        for (at in name) {
            total++
            if (at in by) {
                caught++
                print "caught    " name[at] "  by " by[at]
                continue
            }
            survivor[name[at]] = 1
            if (name[at] in reason) {
                waived++
                print "waived    " name[at] "  (" reason[name[at]] ")"
            } else {
                bad++
                print "SURVIVES  " name[at] "  in " tried[at]
            }
        }
        for (mutant in reason) {
            if (!(mutant in survivor)) {
                bad++
                print "STALE     waiver without a survivor: " mutant
            }
        }
        printf "%d mutants, %d caught, %d waived, %d unexplained\n", total, caught, waived, bad
        exit bad > 0
    }' "$results" | sort
