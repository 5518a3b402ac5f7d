package configfile

// didYouMean is the end of a sentence that names the closest candidate, or
// nothing when none is close.
func didYouMean(word string, candidates []string) string {
	best, closest := "", min(2, len(word)/2)+1
	for _, candidate := range candidates {
		if distance := editDistance(word, candidate); distance < closest {
			best, closest = candidate, distance
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// editDistance counts the characters to insert, remove or replace to get from
// one word to the other (Levenshtein), cheaply cut off for long words.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
