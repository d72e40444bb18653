extension Dictionary {
    /// Gives back storage that removals have left empty: a dictionary by itself stays as large as it ever was. To be called after each
    /// removal: it does something only where less than an eighth is in use, and so costs a constant time for each removal on average.
    mutating func shrinkWhereSparse() {
        guard capacity > 4096, count < capacity / 8 else { return }
        var dense = Dictionary(minimumCapacity: 2 * count)
        for (key, value) in self { dense[key] = value }
        self = dense
    }
}
