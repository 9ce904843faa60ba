namespace Barkeep.Restores;

/// <summary>A directory that a restore wrote to: another one at the same path has another inode.</summary>
/// <param name="Directory">Its absolute path.</param>
sealed record RestoredPlace(string Directory, ulong Inode)
{
    public static RestoredPlace Of(TargetTree tree) => new(tree.Root, tree.Status.Inode);
}
