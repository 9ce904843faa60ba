namespace Barkeep.Restores;

/// <summary>Pages that lie together in a pack and belong together in a file.</summary>
/// <param name="First">The first one's ordinal, later its position, in the pack.</param>
/// <param name="Entry">Index of the file in the manifest.</param>
/// <param name="Page">The first one's number in the file.</param>
readonly record struct PageMove(int First, int Count, int Entry, long Page);
