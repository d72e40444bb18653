internal import CFuse
