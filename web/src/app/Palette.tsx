export default function Palette({ onClose }: { onClose: () => void }) {
  return <button type="button" hidden onClick={onClose} />;
}
