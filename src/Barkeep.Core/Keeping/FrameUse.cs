namespace Barkeep.Keeping;

/// <summary>How much of a frame a manifest needs.</summary>
/// <param name="Pack">The pack's number.</param>
/// <param name="Frame">Which frame of it, when all have <see cref="Packs.Page.PerFrame"/> pages, as nearly all do.</param>
/// <param name="Pages">Pages in it.</param>
/// <param name="Needed">Those that the manifest refers to.</param>
public readonly record struct FrameUse(int Pack, int Frame, int Pages, int Needed);
