import 'graphiql/style.css';
import './style.css';
import './monaco-workers.js';
import { createRoot } from 'react-dom/client';
import { Ide } from './ide.js';

const place = document.getElementById('ide');
if (!place) throw new Error('The page lacks the place for the IDE.');
createRoot(place).render(<Ide />);
