import Metrics
import Testing

@Suite struct MetricsTests {
    @Test func countersLoseNothing() async {
        let table = CounterTable(3)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<10_000 {
                        table.add(at: 1)
                        table.add(3, at: 2)
                    }
                }
            }
        }
        #expect((0..<3).map { table[$0] } == [0, 80_000, 240_000])
    }

    @Test func timesFallIntoTheirBuckets() {
        let table = LatencyTable(rows: 2)
        #expect(LatencyTable.bounds.count == LatencyTable.boundNames.count)
        for (bound, name) in zip(LatencyTable.bounds, LatencyTable.boundNames) {
            #expect(Double(bound) / 1e9 == Double(name))
        }
        table.add(nanoseconds: 0, to: 1)
        table.add(nanoseconds: 10_000, to: 1)
        table.add(nanoseconds: 10_001, to: 1)
        table.add(nanoseconds: .max >> 1, to: 1)
        let row = table[1]
        #expect(row.buckets[0] == 2 && row.buckets[1] == 1 && row.buckets.last == 1)
        #expect(row.count == 4)
        #expect(table[0].count == 0 && table[0].mean == 0 && table[0].quantile(0.5) == 0)
    }

    @Test func quantiles() {
        let table = LatencyTable(rows: 1)
        for _ in 0..<99 { table.add(nanoseconds: 2_000_000, to: 0) }
        table.add(nanoseconds: 2_000_000_000, to: 0)
        let row = table[0]
        #expect(row.quantile(0.5) > 0.001 && row.quantile(0.5) <= 0.003)
        #expect(row.quantile(0.999) > 1 && row.quantile(0.999) <= 3)
        #expect(row.mean == (99 * 0.002 + 2) / 100)
    }

    @Test func text() {
        var text = MetricsText(labels: [("mount", "/a \"b\"\\\n")])
        text.begin("pail_x_total", .counter, "Back\\slash and\nline.")
        text.sample(UInt64(3), [("kind", "k")])
        text.begin("pail_y_seconds", .gauge, "Y.")
        text.sample(0.25)
        text.sample(-Double.infinity)
        #expect(
            text.text == """
                # HELP pail_x_total Back\\\\slash and\\nline.
                # TYPE pail_x_total counter
                pail_x_total{mount="/a \\"b\\"\\\\\\n",kind="k"} 3
                # HELP pail_y_seconds Y.
                # TYPE pail_y_seconds gauge
                pail_y_seconds{mount="/a \\"b\\"\\\\\\n"} 0.25
                pail_y_seconds{mount="/a \\"b\\"\\\\\\n"} -Inf

                """)
    }

    @Test func histogramsAreCumulative() {
        let table = LatencyTable(rows: 1)
        table.add(nanoseconds: 5_000, to: 0)
        table.add(nanoseconds: 500_000, to: 0)
        table.add(nanoseconds: 500_000_000_000, to: 0)
        var text = MetricsText()
        text.begin("h", .histogram, "H.")
        text.sample(table[0])
        let lines = text.text.split(separator: "\n")
        #expect(lines.contains("h_bucket{le=\"1e-05\"} 1"))
        #expect(lines.contains("h_bucket{le=\"0.001\"} 2"))
        #expect(lines.contains("h_bucket{le=\"100\"} 2"))
        #expect(lines.contains("h_bucket{le=\"+Inf\"} 3"))
        #expect(lines.contains("h_count 3"))
        #expect(lines.contains("h_sum 500.000505"))
    }
}
