/// Finds what a person probably meant: the known word that takes the fewest edits.
enum NearMiss {
    /// The nearest of `candidates`, where it is near enough to be worth naming.
    static func suggestion(for word: String, among candidates: some Sequence<String>) -> String? {
        let typed = Array(word.utf8)
        // The word is somebody's typing: a bound keeps the table below small whatever it is.
        guard (2...64).contains(typed.count) else { return nil }
        let limit = max(1, typed.count / 3)
        var best: (word: String, edits: Int)?
        for candidate in candidates {
            let edits = distance(typed, Array(candidate.utf8))
            if edits <= limit, edits < best?.edits ?? .max { best = (candidate, edits) }
        }
        return best?.word
    }

    /// The number of insertions, deletions, replacements and swaps of neighbours that lead from one to the other (optimal
    /// string alignment).
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var edits = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { edits = min(edits, beforeLast[j - 1] + 1) }
                row.append(edits)
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
