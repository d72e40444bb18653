import Testing

@testable import S3

@Suite struct TransferBuffersTests {
    @Test func allLargeOnesStayWithinTheMemory() {
        for memory in [256 << 10, 1 << 20, 4 << 20, 8 << 20, 32 << 20, 100 << 20, 1 << 30] {
            let buffers = TransferBuffers(memory: memory)
            #expect(buffers.largeHandles >= 2, "of \(memory)")
            #expect(
                buffers.largeHandles * (buffers.largeReceive + buffers.largeSend) <= memory, "of \(memory)")
            #expect((64 << 10...512 << 10).contains(buffers.largeReceive), "of \(memory)")
            #expect((64 << 10...1 << 20).contains(buffers.largeSend), "of \(memory)")
        }
    }

    @Test func tooLittleCountsAsTheLeast() { #expect(TransferBuffers(memory: 0) == TransferBuffers(memory: 256 << 10)) }

    @Test func onlyContentGainsByThem() {
        #expect(!TransferBuffers.gainsByLarge(receiving: 0, sending: 0))
        #expect(!TransferBuffers.gainsByLarge(receiving: 16 << 10, sending: 64 << 10))
        #expect(TransferBuffers.gainsByLarge(receiving: (16 << 10) + 1, sending: 0))
        #expect(TransferBuffers.gainsByLarge(receiving: 0, sending: 8 << 20))
    }
}
