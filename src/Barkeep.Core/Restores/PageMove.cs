namespace Barkeep.Restores;

/// <summary>Pages that lie together in a pack and belong together in a file.</summary>
/// <param name="Ordinal">The first one's number in the pack.</param>
/// <param name="Entry">Index of the file in the manifest.</param>
/// <param name="Page">The first one's number in the file.</param>
readonly record struct PageMove(int Ordinal, int Count, int Entry, long Page);
