namespace Barkeep.Tests.Rig;

/// <summary>A new directory of the rig's that goes with the test, and what is mounted or restored in it.</summary>
sealed class Scratch(string purpose) : IDisposable
{
    public string Path { get; } = RigRoot.NewDirectory(purpose);

    public void Dispose() => RigRoot.Remove(Path);
}
